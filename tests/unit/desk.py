"""An operator's folder with a host of paper in place of a real one, for what a command says of a host."""

import io
import json
import os
import shutil
import socket
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deploy import ROOT

if TYPE_CHECKING:
    from tests.unit.conftest import Run, Said

INVENTORY = """\
hosts: {vps: {domain: vps.test, address: 127.0.0.1, tls: {mode: internal}}}
services: {whisper: {kind: faster-whisper}}
"""
TWO = """\
hosts: {vps: {domain: vps.test, address: 127.0.0.1}, two: {domain: two.test, address: 127.0.0.1}}
services: {whisper: {kind: faster-whisper, host: vps}}
"""


@dataclass
class Desk:
    """An operator's folder, and a host of paper that was deployed to twice."""

    folder: Path
    run: "Run"

    def plan(self, **about: Any) -> None:
        whole = {"state": str(self.folder / "host"), "keep": False, "told": str(self.folder / "told"), "fault": None}
        (self.folder / "paper").write_text(json.dumps(whole | about))
        (self.folder / "told").write_text("")

    def says(self, command: str, **about: Any) -> "Said":
        self.plan(**about)
        (self.folder / "new.tar.gz").unlink(missing_ok=True)
        return self.run(*command.split())

    def operations(self, command: str) -> list[str]:
        """What a command asks of the host."""
        self.says(command)
        return (self.folder / "told").read_text().split()


@pytest.fixture(scope="session")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies on the host, once it was deployed to."""
    return tmp_path_factory.mktemp("paper") / "host"


@pytest.fixture
def desk(run: "Run", tmp_path: Path, paper: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
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
