"""Whatever fails on the way to a host, there, or here: every command ends in a sentence and a status of the table."""

import base64
import json
import os
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy import ROOT
from deploy.operations import overview
from tests.unit.conftest import Run, Said

INVENTORY = """\
hosts: {vps: {domain: vps.test, address: 127.0.0.1, tls: {mode: internal}}}
services: {whisper: {kind: faster-whisper}}
"""
TWO = """\
hosts: {vps: {domain: vps.test, address: 127.0.0.1}, two: {domain: two.test, address: 127.0.0.1}}
services: {whisper: {kind: faster-whisper, host: vps}}
"""
COMMANDS = (
    "plan", "deploy --force", "deploy --force --service whisper", "status", "status --json", "wake whisper",
    "sleep whisper", "restart whisper", "logs whisper", "logs autostart", "logs nginx", "transcribe a.wav",
    "setup vps", "setup vps --adopt --yes", "setup vps --undo-adopt --yes", "rollback --force", "rollback 1 --force",
    "audit", "doctor", "prune --yes", "backup --out new.tar.gz", "restore old.tar.gz", "destroy --yes",
    "destroy --yes --volumes", "users add bob", "users rotate anna", "users list", "users remove anna",
    "users import htpasswd", "certs status", "certs renew", "models list", "models pull", "lock status", "lock release",
)  # fmt: skip
"""Every command that reaches a host."""
FAULTS = ("refused", "failed", "nonsense", "ends", "babble")
STATUSES = {0, 2, 3, 4, 5}
FULL = os.environ.get("FULL") == "1"
SOME = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Desk:
    """An operator's folder, and a host of paper that was deployed to twice."""

    folder: Path
    run: Run

    def plan(self, **about: Any) -> None:
        whole = {"state": str(self.folder / "host"), "keep": False, "told": str(self.folder / "told"), "fault": None}
        (self.folder / "paper").write_text(json.dumps(whole | about))
        (self.folder / "told").write_text("")

    def says(self, command: str, **about: Any) -> Said:
        self.plan(**about)
        (self.folder / "new.tar.gz").unlink(missing_ok=True)
        return self.run(*command.split())

    def operations(self, command: str) -> list[str]:
        """What a command asks of the host."""
        self.says(command)
        return (self.folder / "told").read_text().split()


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies on the host, once it was deployed to."""
    return tmp_path_factory.mktemp("paper") / "host"


@pytest.fixture
def desk(run: Run, tmp_path: Path, paper: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk(tmp_path, run)
    ssh(tmp_path, f'exec {sys.executable} -S -E {ROOT}/tests/unit/paper_host.py "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("PAPER_HOST", str(tmp_path / "paper"))
    monkeypatch.setenv("GREFFIER_API_KEY", "a2V5")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    (tmp_path / "htpasswd").write_text("carol:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    if not paper.exists():
        for command in ("setup vps", "deploy", "users add anna", "deploy --force"):
            assert desk.says(command, keep=True).status == 0
        shutil.copy(tmp_path / "host", paper)
    shutil.copy(paper, tmp_path / "host")
    desk.says("backup --out old.tar.gz")
    (tmp_path / "old.tar.gz").write_bytes(archive())
    return desk


def unknown(name: str, *arguments: object, **more: object) -> None:
    raise socket.gaierror(-2, "Name or service not known")


def archive() -> bytes:
    import io
    import tarfile

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("etc/greffier/htpasswd"))
    return out.getvalue()


def ssh(folder: Path, script: str) -> None:
    """What this machine has as ssh."""
    path = folder / "bin" / "ssh"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def told(said: Said, what: object) -> None:
    """A failure is a sentence, and its status is one of the table."""
    assert said.status in STATUSES, (what, said)
    errors = [line for line in said.err.splitlines() if line.startswith("Error: ")]
    assert errors or said.status in (0, 4) or "✗" in said.out or "models pull" in said.out, (what, said)
    for line in errors:
        assert line.rstrip().endswith((".", ":")), (what, line)


def tried(desk: Desk, command: str, fault: str, at: int) -> None:
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
    "ssh: Could not resolve hostname vps: Name or service not known": "There is no address for 127.0.0.1.",
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

    monkeypatch.setattr("deploy.source.read", mistaken)
    monkeypatch.setattr("deploy.inventory.read", mistaken, raising=False)
    kept = desk.folder / "elsewhere" / "greffier" / "errors.log"
    monkeypatch.setenv("XDG_STATE_HOME", str(desk.folder / "elsewhere"))
    for number, command in enumerate(COMMANDS, 1):
        said = desk.run(*command.split())
        assert said.status == 1 and "Error: Greffier made a mistake: ZeroDivisionError: by zero (deploy/" in said.err
        assert str(kept) in said.err and kept.read_text().count("Traceback") == number
    assert kept.stat().st_mode & 0o777 == 0o600
    (desk.folder / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(desk.folder / "file"))
    said = desk.run("plan")
    assert said.status == 1 and said.err.splitlines()[-1] == "Please report it."


def test_a_mistake_with_one_host_stops_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    (desk.folder / "inventory.yml").write_text(TWO)
    right = overview.of
    monkeypatch.setattr(overview, "of", lambda space, host: right(space, host) if host.name == "vps" else 1 // 0)
    monkeypatch.setenv("XDG_STATE_HOME", str(desk.folder / "elsewhere"))
    said = desk.says("status")
    assert said.status == 3 and "vps: release" in said.out
    assert "Error: Greffier made a mistake: ZeroDivisionError" in said.err and "1 of 2 hosts failed: two." in said.err
