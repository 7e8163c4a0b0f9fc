"""Where what is printed goes: a reader that has had enough, a full disk, nowhere at all, an old terminal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import ROOT

LOCAL = "hosts: {me: {runtime: process}}\nservices: {whisper: {kind: faster-whisper}}\n"
COMMANDS = ("schema", "status", "plan", "users list", "logs whisper", "logs whisper --follow", "--help")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inventory.yml").write_text(LOCAL)
    log = tmp_path / ".greffier" / "me" / "log" / "whisper.log"
    log.parent.mkdir(parents=True)
    log.write_text("a line of the log, which is long enough to fill what a pipe holds\n" * 20_000)
    return tmp_path


def ended(folder: Path, command: str, redirection: str, **environment: str) -> tuple[int, str]:
    """(status, what a shell's user sees) of a command whose output goes where the shell says."""
    script = f'set -o pipefail; "$0" "$1" {command} {redirection}'
    done = subprocess.run(
        ("bash", "-c", script, sys.executable, str(ROOT / "cli.py")),
        cwd=folder,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state"), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_has_had_enough(folder: Path, command: str) -> None:
    if command.startswith("logs"):
        assert ended(folder, command, "-n 20000 | head -1") == (128 + signal.SIGPIPE, "")
    else:  # all of it may be in the pipe before the reader goes
        assert ended(folder, command, "| true")[0] in (128 + signal.SIGPIPE, 0, 4)


@pytest.mark.parametrize("command", [each for each in COMMANDS if "follow" not in each])
def test_a_full_disk(folder: Path, command: str) -> None:
    status, said = ended(folder, command, ">/dev/full")
    assert status == 3 and "Error: This machine: No space left on device." in said


def test_nobody_to_tell(folder: Path) -> None:
    for redirection in (">&- 2>&-", "2>/dev/full", "2>&1 | true", "2>&-"):
        status, said = ended(folder, "wake whisper", redirection)
        assert (status, said) in ((3, ""), (128 + signal.SIGPIPE, "")), redirection


def test_a_terminal_without_the_letters(folder: Path) -> None:
    (folder / ".greffier/me/log/whisper.log").write_text("déjà vu ✓\n")
    done = subprocess.run(
        (sys.executable, str(ROOT / "cli.py"), "logs", "whisper"),
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0 and done.stdout == "déjà vu \\u2713\n".encode("latin-1"), done.stderr
