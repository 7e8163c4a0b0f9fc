"""Several hosts at once: one that fails does not stop the others."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from deploy import unexpected
from deploy.config.stack import HostStack
from deploy.errors import KitError
from deploy.reporting import Bar, Reporter
from deploy.workspace import Workspace, no_host

Done = TypeVar("Done")


@dataclass(frozen=True)
class Outcome(Generic[Done]):
    """What became of one host: what was done or found there, or why not."""

    host: HostStack
    done: Done | None
    error: KitError | None

    @property
    def failure(self) -> dict[str, str]:
        """Why not, as data; nothing where it was done."""
        return {"error": self.error.message, "hint": self.error.hint} if self.error else {}


def each(
    space: Workspace, hosts: Sequence[HostStack], act: Callable[[HostStack, Reporter], Done], report: Reporter
) -> list[Outcome[Done]]:
    """Act on every host, each in a thread of its own."""

    def one(host: HostStack) -> Outcome[Done]:
        try:
            return Outcome(host, act(host, _Named(host.name, report) if len(hosts) > 1 else report), None)
        except BrokenPipeError:
            raise
        except Exception as error:
            return Outcome(host, None, unexpected.as_kit_error(error))

    if not hosts:
        raise no_host()
    if len(hosts) == 1:
        return [one(hosts[0])]  # where Ctrl-C arrives
    with ThreadPoolExecutor(len(hosts)) as pool:
        try:
            return list(pool.map(one, hosts))
        except BaseException:
            with ThreadPoolExecutor(len(hosts)) as ending:
                list(ending.map(lambda host: space.target(host).abort(), hosts))
            raise


def in_turn(hosts: Sequence[HostStack], act: Callable[[HostStack], Done]) -> list[Outcome[Done]]:
    """Act on one host after the other, where somebody is asked about each."""
    outcomes: list[Outcome[Done]] = []
    for host in hosts:
        try:
            outcomes.append(Outcome(host, act(host), None))
        except KitError as error:
            outcomes.append(Outcome(host, None, error))
    return outcomes


class _Named:
    """Says of which host it speaks."""

    def __init__(self, name: str, report: Reporter) -> None:
        self._name, self._report = name, report

    def say(self, text: str) -> None:
        self._report.say(f"{self._name}: {text}")

    def warn(self, text: str) -> None:
        self._report.warn(f"{self._name}: {text}")

    def still(self) -> AbstractContextManager[None]:
        return self._report.still()

    @contextmanager
    def step(self, title: str) -> Iterator[Bar]:
        with self._report.step(f"{self._name}: {title}") as bar:
            yield bar
