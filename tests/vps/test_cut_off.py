"""A deploy that is cut off: the host serves on, the lock is given back, and the next deploy finishes the work.

The kit is killed at every step, and each other end is tried at one; with FULL=1 every end at every step.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, product

import httpx2
import pytest

from tests.vps.host import Host
from tests.vps.internet import Internet
from tests.vps.laptop import CONTAINER, MODEL, SAID, Client, Laptop, copy_of_the_kit, host, inventory, service, until

FULL = os.environ.get("FULL") == "1"
VALUES = count(20)
IMAGE = "$(docker image ls --format '{{.Repository}}:{{.Tag}}' greffier/faster-whisper)"
LOSE = {
    f"Fetching {MODEL}": f"touch /var/lib/greffier/models/{MODEL.replace('/', '--')}/vocabulary.txt",
    "Building the image of faster-whisper": f"for i in {IMAGE}; do docker tag $i kept && docker rmi $i; done",
    "Starting autostart": "echo another >/run/greffier/autostart.release",
}
"""What makes a host need a step that a change of the inventory alone does not have."""
BESIDE = "Starting the new whisper in the second slot"
ASLEEP = ("Draining whisper; queueing new requests", "Creating the container of whisper")
"""In place of BESIDE, where the service sleeps."""
END = ("Reloading nginx", "Verifying whisper", "Checking HTTPS and authentication")
AWAKE = (*list(LOSE)[:2], BESIDE, "Writing the configuration", "Starting autostart", *END)
FIRST = (*list(LOSE)[:2], "Writing the configuration", ASLEEP[1], "Starting autostart", *END)
RECORDING = f"{END[-1]}: done"
POINTS = (*AWAKE, *ASLEEP, "Reloading autostart", RECORDING)
"""Autostart is started anew where its code is another one, and else reloaded."""


@pytest.fixture
def laptop(office: tuple[Laptop, Client]) -> Laptop:
    """As the test before left it: each begins with a change of its own."""
    return office[0]


@pytest.fixture
def client(office: tuple[Laptop, Client]) -> Client:
    return office[1]


@pytest.fixture(scope="module")
def hasty(internet: Internet, tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    """Another laptop, whose kit is ten times as quick to take silence for an end."""
    folder = tmp_path_factory.mktemp("hasty")
    kit = copy_of_the_kit(folder / "kit")
    for path, slow, quick in (
        ("deploy/host/agent.py", "HEARTBEAT = 30.0", "HEARTBEAT = 3.0"),
        ("deploy/transport/connection.py", "PING_SECONDS = 5.0", "PING_SECONDS = 0.5"),
    ):
        text = (kit / path).read_text()
        assert slow in text
        (kit / path).write_text(text.replace(slow, quick))
    return Laptop(folder / "office", internet, {}, kit)


def change(laptop: Laptop, alpha: Host, step: str = "") -> str:
    """Write an inventory that is another one every time, and have the host need the step. Returns what the new
    container's environment has."""
    value = next(VALUES)
    more = {"environment": {"STT_QUEUE": str(value)}, "upload_limit": f"{value}M"}
    laptop.write(inventory({"alpha": host("alpha")}, {"whisper": service(**more)}))
    if step in LOSE:
        alpha.ssh(LOSE[step])
    return f"STT_QUEUE={value}"


def environment(alpha: Host) -> list[str]:
    return alpha.ssh(f"docker inspect --format '{{{{join .Config.Env \"\\n\"}}}}' {CONTAINER}").splitlines()


@contextmanager
def deploying(laptop: Laptop, line: str) -> Iterator["subprocess.Popen[str]"]:
    """A deploy that has just told this line, or one that begins with it."""
    with laptop.start("deploy") as process:
        assert process.stderr
        told = []
        for text in process.stderr:
            told.append(text.strip())
            if told[-1].startswith(line):
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


def serves(client: Client) -> bool:
    try:
        with client.http() as http:
            return http.get("/v1/models").status_code == 200
    except httpx2.TransportError:
        return False


def finish(laptop: Laptop, alpha: Host, wanted: str) -> None:
    laptop.cli("deploy")
    assert wanted in environment(alpha)
    assert laptop.cli("plan").strip() == "alpha: nothing to do."


Ending = Callable[["subprocess.Popen[str]", Laptop, Host], None]


def kill(process: "subprocess.Popen[str]", laptop: Laptop, alpha: Host) -> None:
    process.kill()


def interrupt(process: "subprocess.Popen[str]", laptop: Laptop, alpha: Host) -> None:
    """Ctrl-C: when the command has ended, so has what it did on the host."""
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert free(laptop)


def drop(process: "subprocess.Popen[str]", laptop: Laptop, alpha: Host) -> None:
    """The connection ends, and not the command."""
    for pid in connections(process):
        os.kill(pid, signal.SIGKILL)


def power(process: "subprocess.Popen[str]", laptop: Laptop, alpha: Host) -> None:
    process.send_signal(signal.SIGSTOP)
    alpha.power_cut()


def reboot(process: "subprocess.Popen[str]", laptop: Laptop, alpha: Host) -> None:
    process.send_signal(signal.SIGSTOP)
    alpha.reboot()


def silence(process: "subprocess.Popen[str]", laptop: Laptop, alpha: Host) -> None:
    """The laptop sleeps, or its network is gone: nothing is closed, and nothing is heard of it."""
    asleep = [process.pid, *connections(process)]
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: free(laptop), "the lock is given back after the heartbeat")
    finally:
        for pid in asleep:
            os.kill(pid, signal.SIGCONT)


def connections(process: "subprocess.Popen[str]") -> list[int]:
    """Every ssh of the kit."""
    listed = subprocess.run(("ps", "--no-headers", "-o", "pid", "--ppid", str(process.pid)), capture_output=True)
    return [int(pid) for pid in listed.stdout.split()]


STATUS = {kill: -signal.SIGKILL, interrupt: 130, drop: 3, power: 3, reboot: 3, silence: 3}
CASES = [(kill, step) for step in POINTS] + [
    (interrupt, AWAKE[1]),
    (interrupt, BESIDE),
    (drop, ASLEEP[1]),
    (power, BESIDE),
    (silence, "Verifying whisper"),
]
EVERY = list(product(STATUS, POINTS))


def test_the_steps_are_those_that_a_deploy_has(laptop: Laptop, alpha: Host) -> None:
    for step in LOSE:
        change(laptop, alpha, step)
    laptop.cli("wake", "whisper")
    told = laptop.cli("deploy")
    assert [line.removesuffix(" ...") for line in told.splitlines() if line.endswith(" ...")] == list(AWAKE)


@pytest.mark.parametrize("ending, step", EVERY if FULL else CASES)
def test_cut_off(laptop: Laptop, client: Client, alpha: Host, hasty: Laptop, ending: Ending, step: str) -> None:
    wanted = change(laptop, alpha, step)
    laptop.cli("sleep" if step in ASLEEP else "wake", "whisper")
    hasty.path.write_text(laptop.path.read_text())
    with deploying(hasty if ending is silence else laptop, step) as process:
        ending(process, laptop, alpha)
    # The last step may be over before the cut comes.
    assert process.returncode == STATUS[ending] or (process.returncode == 0 and step.startswith(END[-1]))
    if ending in (power, reboot) or step == "Starting autostart":
        until(lambda: serves(client), "autostart runs again")
    assert serves(client)
    until(lambda: free(laptop), "the lock is given back", 30)
    # A kill at each step: the deploy after it gets past that step before it is killed in turn.
    if FULL or ending is not kill or step == RECORDING:
        finish(laptop, alpha, wanted)


def strip(alpha: Host) -> None:
    """Leave the users and the bytes of the models, and nothing else of a deploy."""
    alpha.ssh(
        f"systemctl stop greffier-autostart; docker rm --force {CONTAINER}; "
        + "; ".join(LOSE[step] for step in FIRST[:2])
        + "; cd /var/lib/greffier && rm -rf .applied.json audit.jsonl releases"
        "; cd /etc/greffier && rm -rf autostart nginx portal services tls /etc/nginx/conf.d/greffier-*"
    )


def test_the_first_deploy_cut_off_at_each_step(laptop: Laptop, client: Client, alpha: Host) -> None:
    strip(alpha)
    for step in (*FIRST, f"{FIRST[-1]}: done"):
        wanted = change(laptop, alpha, step if step in FIRST[:2] else "")
        with deploying(laptop, step) as process:
            process.kill()
        until(lambda: free(laptop), "the lock is given back", 30)
        if FULL:
            finish(laptop, alpha, wanted)
            strip(alpha)
    finish(laptop, alpha, wanted)
    assert client.transcript() == SAID


def test_a_disk_that_is_full(laptop: Laptop, client: Client, alpha: Host) -> None:
    """In the middle of what is written: each file is as it was, and the next deploy is none the worse."""
    etc, aside = "/etc/greffier", "/run/greffier-aside"
    laptop.cli("deploy")
    wanted = change(laptop, alpha)
    alpha.ssh(
        f"mkdir {aside} && cp -a {etc}/. {aside} && "
        f"mount -t tmpfs -o size=$(du -sk {aside} | cut -f1)k,mode=755 tmpfs {etc} && "
        f"cp -a {aside}/. {etc} && {{ head -c 1G /dev/zero >{etc}/full 2>/dev/null || true; }}"
    )
    try:
        told = laptop.cli("deploy", status=3)
        assert f"{etc}/" in told and "could not be written: No space left on device" in told
        alpha.ssh(f"rm {etc}/full && diff -r {aside} {etc}")
        assert serves(client) and free(laptop)
    finally:
        alpha.ssh(f"umount --lazy {etc}; rm -r {aside}")
    finish(laptop, alpha, wanted)


def test_two_operators_at_once(laptop: Laptop, alpha: Host) -> None:
    change(laptop, alpha)
    laptop.cli("wake", "whisper")
    with deploying(laptop, BESIDE) as process:
        process.send_signal(signal.SIGSTOP)
        told = laptop.cli("deploy", status=5)
        assert f"process {process.pid}" in told and "`deploy`" in told
        assert f"process {process.pid}" in laptop.cli("lock", "status")
    assert process.returncode == 0
    assert laptop.cli("plan").strip() == "alpha: nothing to do."
