"""This machine as a host: whole files or none, one deploy at a time, and only our own processes."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import ROOT
from deploy.config.stack import HostStack
from deploy.errors import KitError
from deploy.runtime import ports
from deploy.runtime.processes import LocalSupervisor, Unit
from deploy.runtime.systemd import Systemd
from deploy.transport.connection import WINDOW
from deploy.transport.ssh import Ssh
from deploy.transport.targets import Target, Writing

# Takes the lock of a folder, says so, and keeps it until its standard input ends.
HOLDER = """
import sys
from pathlib import Path
from deploy.runtime.processes import LocalSupervisor
from deploy.transport.layouts import local_layout
from deploy.transport.targets import local_target
layout = local_layout(Path(sys.argv[1]), Path("/nowhere"), {})
with local_target("here", layout, LocalSupervisor(layout, {})).lock("deploy"):
    print("held", flush=True)
    sys.stdin.read()
"""


def write(target: Target, path: Path, content: bytes, mode: int) -> None:
    target.write(str(path), content, mode, target.layout.root, target.layout.root_group)


def test_a_file_gets_its_mode_and_replaces_the_old_one_as_a_whole(target: Target, tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / ".env"
    before = os.umask(0o077)
    try:
        write(target, path, b"A='1'\n", 0o644)
    finally:
        os.umask(before)
    old = path.open("rb")
    write(target, path, b"A='2'\n", 0o640)
    with old:
        assert old.read() == b"A='1'\n", "whoever reads the old file reads it to its end"
    state = target.states([str(path)])[str(path)]
    assert path.read_bytes() == b"A='2'\n" and state.mode == 0o640
    assert (state.owner, state.group) == (target.layout.root, target.layout.root_group)
    assert [p.name for p in path.parent.iterdir()] == [".env"], "nothing temporary stays"


def test_a_link_is_replaced_and_what_it_points_at_is_left_alone(target: Target, tmp_path: Path) -> None:
    (tmp_path / "foreign").write_text("foreign")
    (tmp_path / "link").symlink_to(tmp_path / "foreign")
    write(target, tmp_path / "link", b"ours", 0o600)
    assert (tmp_path / "foreign").read_text() == "foreign" and not (tmp_path / "link").is_symlink()


def test_what_cannot_be_written_is_a_sentence_and_leaves_nothing(target: Target, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder" / "path").mkdir(parents=True)
    for path in (tmp_path / "file" / "below", tmp_path / "folder" / "path"):
        with pytest.raises(KitError, match="could not be written") as raised:
            write(target, path, b"x", 0o600)
        assert raised.value.code == 3 and str(path) in raised.value.message
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["path"]


def test_files_are_put_in_place_when_all_of_them_are_ready(target: Target, tmp_path: Path) -> None:
    owner, group = target.layout.root, target.layout.root_group
    (tmp_path / "file").write_text("x")
    (tmp_path / "first").write_text("old")
    files = [Writing(str(tmp_path / path), b"new", 0o600, owner, group) for path in ("first", "file/below")]
    with pytest.raises(KitError, match="file/below could not be written"):
        target.write_all(files)
    assert (tmp_path / "first").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "first"]


def test_what_is_not_there_is_neither_read_nor_counted(target: Target, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    there, missing = str(tmp_path / "a"), str(tmp_path / "b")
    assert target.read(missing) is None and target.read(there) == b"12345"
    assert list(target.states([there, missing])) == [there]
    target.remove(there)
    target.remove(there)
    assert target.read(there) is None


def test_a_command_gets_its_arguments_as_they_are(target: Target) -> None:
    hostile = "; id $(id) `id` \n'\""
    assert target.run(("printf", "%s", hostile)) == hostile
    assert target.run(("cat",), content=hostile) == hostile
    with pytest.raises(KitError, match="`sh` failed with status 7") as raised:
        target.run(("sh", "-c", "echo why >&2; exit 7"))
    assert "why" in raised.value.output
    with pytest.raises(KitError, match="no-such-program is not installed"):
        target.run(("no-such-program",))
    lines = target.lines(("sh", "-c", "cat; echo why >&2; exit 7"), content="a\nb\n")
    assert [next(lines), next(lines)] == ["a", "b"]
    with pytest.raises(KitError, match="failed with status 7"):
        next(lines)


def parts(count: int, failure: KitError | None = None) -> Iterator[bytes]:
    """A megabyte each, none like the one before."""
    for number in range(count):
        yield bytes([number % 256]) * (1 << 20)
    if failure:
        raise failure


def test_what_a_command_reads_comes_in_parts_and_whole(target: Target) -> None:
    count = 3 * WINDOW
    wanted = hashlib.sha256(b"".join(parts(count))).hexdigest()
    assert list(target.connection.lines(("sha256sum",), parts(count))) == [(1, f"{wanted}  -"), (0, "0")]
    assert list(target.connection.lines(("wc", "-c"), iter(()))) == [(1, "0"), (0, "0")]


def test_a_reader_that_ends_early_hangs_nobody(target: Target) -> None:
    for command, status in ((("false",), "1"), (("head", "--bytes=1"), "0")):
        assert list(target.connection.lines(command, parts(3 * WINDOW)))[-1] == (0, status)
    with pytest.raises(KitError, match="no-such-program is not installed"):
        list(target.connection.lines(("no-such-program",), parts(3 * WINDOW)))
    # What was on its way to them is not taken for the next one's.
    assert list(target.connection.lines(("wc", "-c"), parts(1))) == [(1, str(1 << 20)), (0, "0")]


def test_a_source_that_fails_ends_the_reader_and_is_told(target: Target) -> None:
    with pytest.raises(KitError, match="the disk is gone"):
        list(target.connection.lines(("cat",), parts(2, KitError("the disk is gone"))))
    assert target.run(("echo", "still here")) == "still here\n"


def test_a_connection_that_does_not_come_about_is_told_of_when_it_is_used(
    one: HostStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\necho 'root@vps: Permission denied (publickey).' >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    target = Target("vps", one.layout, Ssh("vps", "root", 0), Systemd)
    target.approach()
    for _ in range(2):
        with pytest.raises(KitError, match="root@vps does not accept your key"):
            target.read("/etc/hostname")


def test_one_process_at_a_time_and_the_other_is_told_who(one: HostStack, target: Target) -> None:
    root = str(Path(one.layout.etc).parent)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(KitError) as raised, target.lock("users add ana"):
            raise AssertionError("the lock was given twice")
        assert raised.value.code == 5
        assert f"process {holder.pid}, `deploy`" in raised.value.message and "@" in raised.value.message
    finally:
        holder.communicate()
    with target.lock("users add ana"):
        pass


def test_a_lock_ends_with_its_process(one: HostStack, target: Target) -> None:
    root = str(Path(one.layout.etc).parent)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    holder.kill()
    holder.communicate()
    with target.lock("deploy"):
        pass


PROMISING = """
import sys
from pathlib import Path
from deploy.runtime.processes import LocalSupervisor
from deploy.transport.layouts import local_layout
from deploy.transport.targets import local_target
root = Path(sys.argv[1])
layout = local_layout(root, Path("/nowhere"), {})
target = local_target("here", layout, LocalSupervisor(layout, {}))
with target.lock("deploy"):
    target.afterwards("kept", ("touch", str(root / "kept")))
    target.afterwards("taken back", ("touch", str(root / "taken-back")))
    target.afterwards("taken back", ())
    wait = f"touch {root}/begun; until [ -e {root}/go ]; do sleep 0.02; done; touch {root}/whole"
    target.run(("sh", "-c", wait), whole=True)
"""


def test_what_a_lost_laptop_asked_for_is_done_before_the_lock_is_given_back(one: HostStack, target: Target) -> None:
    root = Path(one.layout.etc).parent
    root.mkdir(parents=True, exist_ok=True)
    lost = subprocess.Popen([sys.executable, "-c", PROMISING, str(root)], env={**os.environ, "PYTHONPATH": str(ROOT)})
    until(lambda: (root / "begun").exists())
    lost.kill()
    lost.wait()
    (root / "go").touch()

    def given_back() -> bool:
        try:
            with target.lock("deploy"):
                return True
        except KitError:
            return False

    until(given_back)
    assert (root / "whole").exists() and (root / "kept").exists() and not (root / "taken-back").exists()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """A program of somebody else's."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def supervisor(one: HostStack, mark: str, command: tuple[str, ...] = (), ready: str = "") -> LocalSupervisor:
    unit = Unit("autostart", command, {}, mark, False, ready, (), "release-1")
    return LocalSupervisor(one.layout, {"autostart": unit})


def test_the_pid_of_another_program_is_not_taken_for_ours(
    one: HostStack, other: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    keeper = supervisor(one, str(tmp_path / "config.json"))
    pid_file = Path(one.layout.run) / "autostart.pid"
    pid_file.parent.mkdir(parents=True)
    for text in (str(other.pid), "", "nonsense", "-1", "0", "999999999"):
        pid_file.write_text(text)
        assert not keeper.running("autostart")
        keeper.stop("autostart")
    assert other.poll() is None


def standing(keeper: LocalSupervisor) -> dict[str, str]:
    """It asks nobody: the answer is there at once."""
    with pytest.raises(StopIteration) as end:
        next(keeper.standing(("autostart",)))
    found: dict[str, str] = end.value.value
    return found


def test_our_own_is_found_again_by_another_command_and_ended(one: HostStack, tmp_path: Path) -> None:
    mark, ready = str(tmp_path / "config.json"), str(tmp_path / "ready")
    program = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    keeper = supervisor(one, mark, (sys.executable, "-c", program, ready, mark), ready)
    keeper.start("autostart")
    again = supervisor(one, mark)
    assert again.running("autostart") and standing(again) == {"autostart": "release-1"}
    pid = again.pid("autostart")
    assert os.getsid(pid) == pid, "it outlives the command that deployed it"
    again.stop("autostart")
    assert not keeper.running("autostart") and not again.running("autostart")


def test_a_program_that_does_not_start_shows_the_end_of_its_log(one: HostStack, tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no model here')", "mark")
    with pytest.raises(KitError, match="autostart did not start") as raised:
        supervisor(one, "mark", command, str(tmp_path / "ready")).start("autostart")
    assert "no model here" in raised.value.output


@pytest.fixture
def held() -> Iterator[socket.socket]:
    """A socket that listens on a port below those that the system gives away."""
    for port in range(21000, 32000):
        found = socket.socket()
        try:
            found.bind(("127.0.0.1", port))
        except OSError:
            found.close()
            continue
        with found:
            found.listen()
            yield found
        return


def test_a_port_that_another_program_holds_is_passed_over_and_kept(held: socket.socket, tmp_path: Path) -> None:
    usual = held.getsockname()[1]
    with held:
        (sentence,) = ports.claim(tmp_path, {"https": usual}, running=())
        taken = ports.saved(tmp_path)["https"]
        assert taken != usual and f"Port {usual} (https) is in use by another program; using {taken}." == sentence
        # While nginx runs, it holds the port that was chosen: it stays. Whether autostart does is no matter.
        ports.claim(tmp_path, {"https": usual}, running=("nginx",))
        assert ports.saved(tmp_path) == {"https": taken}
        ports.claim(tmp_path, {"autostart": usual}, running=("nginx",))
        assert ports.saved(tmp_path)["autostart"] != usual
    assert ports.claim(tmp_path, {"https": usual}, running=()) == []
    assert ports.saved(tmp_path) == {"https": usual}


@pytest.mark.parametrize("text", ["", "[]", '{"https": "x"}', "nonsense", "null"])
def test_a_damaged_list_of_ports_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "ports.json").write_text(text)
    assert ports.saved(tmp_path) == {}


def test_two_purposes_never_share_a_port(held: socket.socket, tmp_path: Path) -> None:
    usual = held.getsockname()[1]
    ports.claim(tmp_path, {"a": usual, "b": usual + 1, "c": usual}, running=())
    chosen = json.loads((tmp_path / "ports.json").read_text())
    assert len(set(chosen.values())) == 3


def test_the_layout_of_one_folder_stays_in_it(one: HostStack) -> None:
    root = str(Path(one.layout.etc).parent)
    for part in ("etc", "opt", "var", "run", "log", "nginx_conf", "nginx_main"):
        assert getattr(one.layout, part).startswith(root)
    moved = replace(one.layout, etc="/elsewhere")
    assert moved.htpasswd == "/elsewhere/htpasswd" and moved.record.startswith(root)
