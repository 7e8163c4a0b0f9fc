"""What somebody names as a file is read to a bound and never waited for; what somebody wrote is shown as it was."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import reading
from deploy.certificates import issuing
from deploy.cli import progress, tables
from deploy.config import secrets
from deploy.config.stack import HostStack
from deploy.errors import KitError
from tests.unit.conftest import Run
from tests.unit.test_secrets import refused, value

LOCAL = "hosts: {me: {runtime: process}}\nservices: {whisper: {kind: faster-whisper}}\n"
PIPE = "cannot be read: it is a pipe or a socket: write its content into a file"


@pytest.fixture
def odd(tmp_path: Path) -> dict[str, str]:
    """What is no file, by name."""
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
    return {
        "fifo": PIPE,
        "/dev/zero": "",
        "/dev/full": "",
        "/": "cannot be read: Is a directory",
        "socket": "cannot be read",
    }


def test_an_inventory(run: Run, odd: dict[str, str]) -> None:
    for path, why in odd.items():
        for command in ("check", "status", "deploy"):
            said = run(command, "--inventory", path)
            assert said.status == 2 and path in said.err, (path, said)
            assert (why or "is not an inventory: it has more than 1048576 bytes") in said.err, (path, said)


def test_a_secret(run: Run, odd: dict[str, str], tmp_path: Path) -> None:
    for path, why in odd.items():
        assert (why or "has more than 65536 bytes") in refused(f"file:{path}", tmp_path), path
        (tmp_path / "inventory.yml").write_text(LOCAL.replace("whisper}", f"whisper, secrets: {{A: 'file:{path}'}}}}"))
        assert run("check").status == 2
    # Within a pseudo file system sizes are told as 0, and there is something to read all the same.
    assert value("file:/proc/sys/kernel/ostype", tmp_path) == "Linux"


def test_a_command_that_prints_or_waits_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "printed more than 65536 bytes" in refused("command:cat /dev/zero", tmp_path)
    assert "printed more than 65536 bytes" in refused("command:yes s3cret", tmp_path)
    monkeypatch.setattr(secrets, "COMMAND_SECONDS", 0.2)
    assert "took more than" in refused("command:sleep 60", tmp_path)
    assert "took more than" in refused("command:sh -c 'sleep 60 & echo s3cret'", tmp_path)  # who holds the pipe
    assert "took more than" in refused("command:sh -c 'exec >&-; sleep 60'", tmp_path)


def test_what_else_is_named_on_the_command_line(
    run: Run, odd: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inventory.yml").write_text(LOCAL)
    monkeypatch.setenv("GREFFIER_API_KEY", "a2V5")
    for path in ("fifo", "/", "socket"):
        for words in (["users", "import", path], ["restore", path, "--yes"], ["transcribe", path]):
            said = run(*words)
            folder = words == ["transcribe", "/"]
            told = "/ has no audio or video files." if folder else f"{path} cannot be read: "
            assert said.status == 2 and told in said.err, words
    assert "it has more than 1048576 bytes" in run("users", "import", "/dev/zero").err
    os.mkfifo(tmp_path / "greffier.lock")
    said = run("models", "list")
    assert said.status == 2 and f"greffier.lock {PIPE}" in said.err


def test_a_certificate_that_is_brought(one: HostStack, odd: dict[str, str], tmp_path: Path) -> None:
    for name in ("fifo", "/dev/zero"):
        host = replace(one, tls=replace(one.tls, mode="files", certificate=str(tmp_path / name)))
        with pytest.raises(KitError, match=r"cannot be read: it (is a pipe|has more than 1048576 bytes)"):
            issuing._given(host)


def test_check_reads_the_certificate_that_is_brought(run: Run, tmp_path: Path) -> None:
    tls = "runtime: process, tls: {mode: files, certificate: none.pem, key: 'file:key'}"
    (tmp_path / "inventory.yml").write_text(LOCAL.replace("runtime: process", tls))
    (tmp_path / "key").write_text("x")
    said = run("check")
    assert said.status == 2 and "the certificate none.pem cannot be read: No such file" in said.err
    (tmp_path / "none.pem").write_text("x")
    assert "the certificate or its key is not PEM" in run("check").err


def test_a_bound(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert reading.whole(tmp_path / "file", 100) == b"x" * 100
    with pytest.raises(reading.TooLarge):
        reading.whole(tmp_path / "file", 99)


SHOWN = ("a :key: and :warning:", "[bold]x[/]", "C:\\new\\[dir]", "file:key:x")


@pytest.mark.parametrize("text", SHOWN)
def test_no_word_becomes_a_picture_or_a_colour(
    text: str, told: Callable[[str], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.markup import escape

    tables.out.file, progress.err.file = __import__("sys").stdout, __import__("sys").stderr
    try:
        tables.out.print(escape(text))
        progress.err.print(escape(text))
        tables.table(("what",), [(text,)])
    finally:
        tables.out.file = progress.err.file = None  # type: ignore[assignment]
    out, err = capsys.readouterr()
    assert out.splitlines() == [text, "what", text] and err.splitlines() == [text]
