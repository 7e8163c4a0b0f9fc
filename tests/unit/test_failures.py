"""Whatever fails on the way to a host, there, or here: every command ends in a sentence and a status of the table."""

import base64
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.upkeep import status
from tests.unit.conftest import Said
from tests.unit.desk import TWO, Desk, ssh

COMMANDS = (
    "plan", "deploy --force", "deploy --force --service whisper", "status", "status --json", "wake whisper",
    "sleep whisper", "restart whisper", "logs whisper", "logs autostart", "logs nginx", "transcribe a.wav",
    "setup vps", "setup vps --adopt --yes", "setup vps --undo-adopt --yes", "rollback --force", "rollback 1 --force",
    "audit", "doctor", "prune --yes", "backup --out new.tar.gz", "restore old.tar.gz --yes", "destroy --yes",
    "destroy --yes --volumes", "users add bob", "users rotate anna", "users list", "users remove anna",
    "users import htpasswd", "certs status", "certs renew", "models list", "models pull", "lock status", "lock release",
)  # fmt: skip
"""Every command that reaches a host."""
FAULTS = ("refused", "failed", "nonsense", "ends", "babble")
STATUSES = {0, 2, 3, 4, 5}
FULL = os.environ.get("FULL") == "1"
SOME = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def told(said: Said, what: object) -> None:
    """A failure is a sentence, and its status is one of the table."""
    assert said.status in STATUSES, (what, said)
    errors = [line for line in said.err.splitlines() if line.startswith("Error: ")]
    assert errors or said.status in (0, 4) or "✗" in said.out or "models pull" in said.out, (what, said)
    for line in errors:
        assert line.rstrip().endswith((".", ":")), (what, line)


def tried(desk: Desk, command: str, fault: str, at: int) -> None:
    if command.startswith("logs") and fault == "failed":
        return  # what the host's program printed is the log, whatever is in it
    said = desk.says(command, fault=[at, fault])
    told(said, (command, fault, at))
    if fault in ("ends", "babble") and said.status == 0:
        operations = (desk.folder / "told").read_text().split()
        assert operations[at:] in ([], ["unlock"]), (command, fault, at, said)


@SOME
@given(st.sampled_from(COMMANDS), st.sampled_from(FAULTS), st.integers(0, 99))
def test_wherever_the_host_fails(desk: Desk, command: str, fault: str, share: int) -> None:
    count = len(desk.operations(command))
    tried(desk, command, fault, count * share // 100)


@pytest.mark.skipif(not FULL, reason="FULL=1 tries every failure at every operation of every command")
@pytest.mark.parametrize("command", COMMANDS)
def test_everywhere(desk: Desk, command: str) -> None:
    for fault in FAULTS:
        for at in range(len(desk.operations(command))):
            tried(desk, command, fault, at)


SSH = {
    "ssh: Could not resolve hostname vps: Name or service not known": "127.0.0.1 does not resolve.",
    "ssh: connect to host vps port 22: Connection refused": "127.0.0.1 refuses SSH connections.",
    "ssh: connect to host vps port 22: Connection timed out": "127.0.0.1 does not answer.",
    "ssh: connect to host vps port 22: Network is unreachable": "127.0.0.1 cannot be reached.",
    "Host key verification failed.": "The host key of root@127.0.0.1 is not known.",
    "root@vps: Permission denied (publickey).": "root@127.0.0.1 does not accept your key.",
    "kex_exchange_identification: Connection closed by remote host": "ends SSH connections before they begin.",
    "Received disconnect from 127.0.0.1: Too many authentication failures": "refused your keys before",
    "/root/.ssh/config: line 1: Bad configuration option: prot": "ended: /root/.ssh/config: line 1: Bad configuration",
    "": "The connection to root@127.0.0.1 ended.",
}  # fmt: skip


@pytest.mark.parametrize("words", SSH)
def test_a_way_that_does_not_come_about(desk: Desk, words: str) -> None:
    ssh(desk.folder, f"case $1 in -G) exit;; esac; echo '{words}' >&2; exit 255")
    for command in ("plan", "deploy", "status", "setup vps", "users list", "doctor", "backup --out new.tar.gz"):
        said = desk.says(command)
        assert said.status == 3 and SSH[words] in said.out + said.err, (command, said)


def test_no_ssh_at_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(desk.folder))
    for command in ("plan", "deploy", "status", "setup vps", "users list", "doctor"):
        said = desk.says(command)
        assert said.status == 3 and "This machine has no ssh program." in said.out + said.err, (command, said)


DAMAGE = st.sampled_from([b"", b"[]", b"{}", b"7", b"null", b'{"kit": 7}', b'{"services": {"a": 1}}', b"\xff\xfe"])
READERS = ("plan", "deploy --force", "status", "audit", "rollback --force", "certs status", "certs renew", "doctor",
           "users list", "models list", "prune --yes", "destroy --yes")  # fmt: skip


@SOME
@given(st.data(), st.sampled_from(READERS), DAMAGE)
def test_a_damaged_file_on_the_host(desk: Desk, data: st.DataObject, command: str, content: bytes) -> None:
    whole = (desk.folder / "host").read_text()
    files = json.loads(whole)
    state = sorted(path for path in files if path.startswith(("/var/lib/", "/etc/greffier/")))
    path = data.draw(st.sampled_from(state))
    (desk.folder / "host").write_text(json.dumps(files | {path: base64.b64encode(content).decode()}))
    try:
        told(desk.says(command), (command, path, content))
    finally:
        (desk.folder / "host").write_text(whole)


def test_a_mistake_of_the_kits_own(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(*arguments: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("deploy.config.source.read", mistaken)
    monkeypatch.setattr("deploy.config.validation.read", mistaken, raising=False)
    kept = desk.folder / "elsewhere" / "greffier" / "errors.log"
    monkeypatch.setenv("XDG_STATE_HOME", str(desk.folder / "elsewhere"))
    for number, command in enumerate(COMMANDS, 1):
        said = desk.run(*command.split())
        assert said.status == 1 and "Error: Greffier hit a bug: ZeroDivisionError: by zero (deploy/" in said.err
        assert str(kept) in said.err and kept.read_text().count("Traceback") == number
    assert kept.stat().st_mode & 0o777 == 0o600
    (desk.folder / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(desk.folder / "file"))
    said = desk.run("plan")
    assert said.status == 1 and said.err.splitlines()[-1] == "Please report it."


def test_a_mistake_with_one_host_stops_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    (desk.folder / "inventory.yml").write_text(TWO)
    right = status.of
    monkeypatch.setattr(status, "of", lambda space, host: right(space, host) if host.name == "vps" else 1 // 0)
    monkeypatch.setenv("XDG_STATE_HOME", str(desk.folder / "elsewhere"))
    said = desk.says("status")
    assert said.status == 3 and "vps: release" in said.out
    assert "Error: Greffier hit a bug: ZeroDivisionError" in said.err and "1 of 2 hosts failed: two." in said.err
