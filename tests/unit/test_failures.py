"""Whatever fails on the way to a host, there, or here: every command ends in a sentence and a status of the table."""

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
from tests.unit.conftest import Run, Said

INVENTORY = """\
hosts: {vps: {domain: vps.test, address: 127.0.0.1, tls: {mode: internal}}}
services: {whisper: {kind: faster-whisper}}
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
SOME = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


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
