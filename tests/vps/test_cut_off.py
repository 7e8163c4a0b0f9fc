"""A deploy that is cut off: the host serves on, the lock is given back, and the next deploy finishes the work."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from tests.vps.host import Host
from tests.vps.laptop import CONTAINER, SAID, Client, Laptop, host, inventory, service, until

QUEUES = count(20)


@pytest.fixture
def laptop(office: tuple[Laptop, Client]) -> Laptop:
    """As the test before left it: each begins with a change of its own."""
    return office[0]


@pytest.fixture
def client(office: tuple[Laptop, Client]) -> Client:
    return office[1]


def change(laptop: Laptop) -> str:
    """Write an inventory that is another one every time. Returns what the new container's environment has."""
    value = next(QUEUES)
    laptop.write(inventory({"alpha": host("alpha")}, {"whisper": service(environment={"STT_QUEUE": str(value)})}))
    return f"STT_QUEUE={value}"


def environment(alpha: Host) -> list[str]:
    return alpha.ssh(f"docker inspect --format '{{{{join .Config.Env \"\\n\"}}}}' {CONTAINER}").splitlines()


@contextmanager
def deploying(laptop: Laptop, line: str) -> Iterator[subprocess.Popen[str]]:
    """A deploy that has just told this line."""
    with laptop.start("deploy") as process:
        assert process.stderr
        told = []
        for text in process.stderr:
            told.append(text.strip())
            if told[-1] == line or told[-1].startswith(f"{line}: done"):
                break
        else:
            raise AssertionError(f"it never said {line!r}, but {told}")
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
            process.communicate()


def free(laptop: Laptop) -> bool:
    return laptop.cli("lock", "status").strip() == "alpha: nobody"


STEPS = (
    "Holding new requests to whisper while it finishes those it has",
    "Making the container of whisper",
    "Reloading autostart",
    "Proving whisper",
    "Checking the way in",
)


def test_the_steps_are_those_that_a_change_has(laptop: Laptop) -> None:
    change(laptop)
    told = laptop.cli("deploy")
    assert [line.removesuffix(" ...") for line in told.splitlines() if line.endswith(" ...")] == list(STEPS)


@pytest.mark.parametrize("line", [*(f"{step} ..." for step in STEPS), STEPS[-1]])
def test_killed_at_any_step(laptop: Laptop, client: Client, alpha: Host, line: str) -> None:
    """At the beginning of each step, and before the record is written."""
    before, wanted = environment(alpha), change(laptop)
    with deploying(laptop, line) as process:
        process.kill()
    with client.http() as http:
        assert http.get("/v1/models").status_code == 200
    assert wanted in environment(alpha) or environment(alpha) == before
    until(lambda: free(laptop), "the lock is given back", 30)
    laptop.cli("deploy")
    assert wanted in environment(alpha)
    assert laptop.cli("plan").strip() == "alpha: nothing to do."


def interrupt(process: "subprocess.Popen[str]", alpha: Host) -> None:
    process.send_signal(signal.SIGINT)


def drop(process: "subprocess.Popen[str]", alpha: Host) -> None:
    """The connection ends, and not the command."""
    listed = subprocess.run(("ps", "--no-headers", "-o", "pid", "--ppid", str(process.pid)), capture_output=True)
    for pid in listed.stdout.split():
        os.kill(int(pid), signal.SIGKILL)


def power(process: "subprocess.Popen[str]", alpha: Host) -> None:
    alpha.power_cut()


@pytest.mark.parametrize("cut, status", [(interrupt, 130), (drop, 3), (power, 3)])
def test_other_ends(
    laptop: Laptop,
    client: Client,
    alpha: Host,
    cut: Callable[["subprocess.Popen[str]", Host], None],
    status: int,
) -> None:
    wanted = change(laptop)
    with deploying(laptop, "Making the container of whisper") as process:
        cut(process, alpha)
    assert process.returncode == status
    until(lambda: alpha.ssh("systemctl is-active greffier-autostart || true").strip() == "active", "autostart runs")
    assert free(laptop)
    assert client.transcript() == SAID
    laptop.cli("deploy")
    assert wanted in environment(alpha)
    assert laptop.cli("plan").strip() == "alpha: nothing to do."


def test_two_operators_at_once(laptop: Laptop) -> None:
    change(laptop)
    with deploying(laptop, "Making the container of whisper") as process:
        process.send_signal(signal.SIGSTOP)
        told = laptop.cli("deploy", status=5)
        assert f"process {process.pid}" in told and "`deploy`" in told
        assert f"process {process.pid}" in laptop.cli("lock", "status")
    assert process.returncode == 0
    assert laptop.cli("plan").strip() == "alpha: nothing to do."
