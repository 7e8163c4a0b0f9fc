"""What the unit tests share: an inventory's text made into a stack, and a folder of this machine as a host."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

import cli
from deploy.config import catalog, resolve, validation
from deploy.config.source import parse
from deploy.config.stack import HostStack, Stack
from deploy.errors import InventoryError
from deploy.runtime.processes import LocalSupervisor
from deploy.transport.layouts import local_layout, system_layout
from deploy.transport.targets import Target, local_target
from tests.unit.desk import desk, paper

__all__ = ["desk", "paper"]

# No timed assertions: what is slow on a busy machine is not wrong.
settings.register_profile("kit", deadline=None, max_examples=60)
settings.load_profile("kit")

ONE = "hosts:\n  vps: {domain: example.org}\nservices:\n  whisper: {kind: faster-whisper}\n"


class Said(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Call the application in an empty folder, as `greffier WORDS` does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("GREFFIER_INVENTORY", raising=False)
    monkeypatch.delenv("GREFFIER_API_KEY", raising=False)

    def call(*words: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["greffier", *map(str, words)])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        kept = tmp_path / "state" / "greffier" / "errors.log"
        mistakes = kept.read_text() if kept.exists() else ""
        kept.unlink(missing_ok=True)  # the next call is not to blame
        assert not mistakes, mistakes  # of the kit's own, however well they are told
        return Said(status, out, err)

    return call


@pytest.fixture(scope="session")
def resolved() -> Callable[[str], Stack]:
    """Text -> Stack; raises what the command line would show."""
    kinds = catalog.load()

    def of(text: str) -> Stack:
        source = parse(text.encode(), "inventory.yml")
        wrote, problems = validation.validate(source)
        local = local_layout(Path("/srv/demo"), Path("/srv/models"), {})
        layouts = {n: local if h.runtime == "process" else system_layout() for n, h in wrote.hosts.items()}
        return resolve.stack(wrote, source, kinds, layouts, catalog.autostart(), problems)

    return of


@pytest.fixture(scope="session")
def told(resolved: Callable[[str], Stack]) -> Callable[[str], list[str]]:
    """Text -> the lines of the error it gets; none where it is right."""

    def of(text: str) -> list[str]:
        try:
            resolved(text)
        except InventoryError as error:
            assert error.code == 2
            return error.message.split("\n")
        return []

    return of


@pytest.fixture
def one(resolved: Callable[[str], Stack], tmp_path: Path) -> HostStack:
    """A host with one service and the internal authority, inside `tmp_path`."""
    host = resolved(ONE.replace("example.org", "example.org, tls: {mode: internal}")).hosts[0]
    return replace(host, layout=local_layout(tmp_path / "host", tmp_path / "models", {}))


@pytest.fixture
def target(one: HostStack) -> Target:
    return local_target("here", one.layout, LocalSupervisor(one.layout, {}))
