"""Several hosts at once."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from deploy import fleet
from deploy.config.source import Source
from deploy.config.stack import HostStack, Stack
from deploy.errors import KitError
from deploy.reporting import Reporter
from deploy.state.plan import Plan
from deploy.workspace import Workspace

DONE = Plan((), (), "", (), (), (), (), (), (), ())


class Told:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    warn = say

    def step(self, title: str) -> nullcontext[None]:
        self.lines.append(title)
        return nullcontext()


def test_they_go_side_by_side_and_one_that_fails_stops_no_other(one: HostStack) -> None:
    hosts = (one, replace(one, name="far"), replace(one, name="gone"))
    space = Workspace(Path("inventory.yml"), Source("inventory.yml", {}, {}), Stack(hosts))
    together = Barrier(len(hosts), timeout=60)
    told = Told()

    def act(host: HostStack, report: Reporter) -> Plan:
        together.wait()
        with report.step("Reloading nginx"):
            if host.name == "gone":
                raise KitError("it is gone")
        return DONE

    outcomes = fleet.each(space, hosts, act, told)
    assert [outcome.host for outcome in outcomes] == list(hosts)
    assert [outcome.done for outcome in outcomes] == [DONE, DONE, None]
    assert outcomes[2].error and outcomes[2].error.message == "it is gone"
    assert sorted(told.lines) == sorted(f"{host.name}: Reloading nginx" for host in hosts)


def test_no_host_at_all_is_a_sentence() -> None:
    space = Workspace(Path("inventory.yml"), Source("inventory.yml", {}, {}), Stack(()))
    with pytest.raises(KitError, match="no host whose address is known"):
        fleet.each(space, (), lambda host, report: DONE, Told())
    with pytest.raises(KitError, match="no host whose address is known"):
        space.host()
