"""What is typed: options wherever people put them, what a shell completes, and transcripts of whatever is named."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pexpect
import pytest
from rich.console import Console

from deploy import ROOT, VERSION
from deploy.cli import tables
from tests.unit.conftest import Run
from tests.unit.desk import Desk

TWO = "hosts: {me: {runtime: process}}\nservices: {whisper: {kind: faster-whisper}, meeting: {kind: whisperx}}\n"
PROGRAM = "import sys; sys.path.insert(0, {root!r}); sys.argv[0] = 'greffier'; import cli; cli.main()"


def test_help_and_version(run: Run) -> None:
    assert run("--version").out == f"Greffier {VERSION}\n"
    for words in ((), ("status",), ("users",), ("users", "add")):
        assert run(*words, "-h").out == run(*words, "--help").out != ""


def test_options_stand_before_the_verb_or_after_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.yml").write_text(TWO)
    for after, before in (
        (("status", "-i", "other.yml", "--json"), ("-i", "other.yml", "--json", "status")),
        (("status", "--host", "me", "--inventory=other.yml"), ("--host", "me", "--inventory=other.yml", "status")),
        (("users", "list", "-i", "other.yml"), ("users", "-i", "other.yml", "list")),
        (("users", "list", "-i", "other.yml"), ("-i", "other.yml", "users", "list")),
        (("logs", "meeting", "-i", "other.yml"), ("-i", "other.yml", "logs", "meeting")),
        (("plan", "--danse"), ("--danse", "plan")),
    ):
        there, here = run(*after), run(*before)
        assert (there.status, there.out.split("memory")[0], there.err) == (
            here.status, here.out.split("memory")[0], here.err,
        ), before  # fmt: skip
    said = run("-i", "other.yml")
    assert said.status == 2


COMPLETED = {
    "wake w": {"whisper"},
    "logs ": {"whisper", "meeting", "autostart", "nginx"},
    "plan --host ": {"me"},
    "deploy --service m": {"meeting"},
    "transcribe -f d": {"diarized_json"},
    "-i other.yml wake ": {"whisper", "meeting"},
    "wake -i none.yml ": set(),
    "wake -i broken.yml ": set(),
}


@pytest.mark.parametrize("typed", COMPLETED)
def test_a_shell_completes_names(tmp_path: Path, typed: str) -> None:
    (tmp_path / "inventory.yml").write_text(TWO.replace("kind: whisperx", "kid: x"))  # half written is enough
    (tmp_path / "other.yml").write_text(TWO)
    (tmp_path / "broken.yml").write_text("hosts: [")
    words = f"greffier {typed}"
    environment = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(root=str(ROOT))],
        env={**os.environ, "_GREFFIER_COMPLETE": "complete_bash", **environment},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert set(done.stdout.split()) == COMPLETED[typed] and done.stderr == "", done


def test_init_asks_on_a_terminal(tmp_path: Path) -> None:
    def begun() -> pexpect.spawn:
        return pexpect.spawn(
            sys.executable,
            ["-c", PROGRAM.format(root=str(ROOT)), "init"],
            cwd=str(tmp_path),
            encoding="utf-8",
            timeout=60,
        )

    child = begun()
    child.expect_exact("Domain: ")
    child.sendline("1.2.3.4")
    child.expect_exact("is not a domain such as example.org.")
    child.sendline("court.fr")
    child.expect_exact("Address [court.fr]: ")
    child.sendline("vps")
    child.expect_exact("Model [small]: ")
    child.sendline("bse")
    child.expect_exact("did you mean 'base'?")
    child.sendline("base")
    child.expect_exact("Wrote inventory.yml.")
    child.expect(pexpect.EOF)
    text = (tmp_path / "inventory.yml").read_text()
    assert "\n    domain: court.fr\n    address: vps\n" in text and "\n    model: base\n" in text
    child = begun()  # there is nothing to ask where it is there already
    child.expect_exact("inventory.yml already exists; nothing was changed.")
    child.expect(pexpect.EOF)
    (tmp_path / "inventory.yml").unlink()
    child = begun()
    child.expect_exact("Domain: ")
    child.sendeof()
    child.expect_exact("Nothing was written.")
    child.expect(pexpect.EOF)
    assert not (tmp_path / "inventory.yml").exists()


def test_logs_are_for_people_on_a_terminal_and_as_they_are_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"time": "2026-11-21T15:25:40.579Z", "level": "error", "logger": "stt", "message": "it [failed] :key:"}
    line = json.dumps({**entry, "request_id": "req_7", "exception": "Traceback\n  File\nOSError: gone"})
    lines = (line, "plain words", "[1, 2]", '{"no": "message"}')
    for each in lines:
        tables.log(each)
    assert capsys.readouterr().out.splitlines() == list(lines)
    seen = io.StringIO()
    monkeypatch.setattr(
        tables, "out", Console(file=seen, force_terminal=True, color_system=None, width=200, emoji=False)
    )
    for each in lines:
        tables.log(each)
    assert [text.rstrip() for text in seen.getvalue().splitlines()] == [
        "2026-11-21 15:25:40 error   it [failed] :key: request_id=req_7",
        "    Traceback", "      File", "    OSError: gone",
    ]  # fmt: skip
    assert capsys.readouterr().out.splitlines() == list(lines[1:])


def test_a_plan_says_what_it_comes_to(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(TWO.replace("whisperx", "whisperx, model: a/b"))
    said = run("plan")
    assert "model Systran/faster-whisper-small (missing or incomplete; about 486 MB)" in said.out
    last = said.out.splitlines()[-1]
    assert last.startswith("  ") and " to create, " in last
    assert last.endswith("; about 520 MB of models to fetch; 1 model of unknown size."), last
    steps = json.loads(run("plan", "--json").out)["me"]
    assert {s["what"]: s["bytes"] for s in steps if s["verb"] == "create" and s["bytes"]} == {
        "model Systran/faster-whisper-small": 486_000_000, "model greffier/open-diarization": 33_956_313,
    }  # fmt: skip


def test_the_images_of_a_plan_take_room(desk: Desk) -> None:
    said = desk.says("plan")
    assert "images take about 1.3 GB of disk." in said.out


class Service(BaseHTTPRequestHandler):
    """Answers as a service does; what it was sent is kept."""

    protocol_version = "HTTP/1.1"
    got: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).got.append(body)
        kind, text = "text/plain", "And so."
        if self.path != "/v1/audio/transcriptions":
            return self._answer(404, "application/json", '{"error": {"message": "There is nothing at this address."}}')
        if self.headers["Authorization"] != "Bearer a2V5":
            return self._answer(401, "application/json", '{"error": {"message": "No valid API key was given."}}')
        if b"no sound" in body:
            return self._answer(400, "application/json", '{"error": {"message": "That is text, not audio."}}')
        if b'name="stream"' in body:
            events = (
                '{"type": "transcript.text.delta", "delta": "And"}',
                '{"type": "transcript.text.delta", "delta": " so."}',
            )
            done = (
                ""
                if b"cut" in body
                else 'data: {"type": "transcript.text.done", "text": "And so."}\n\ndata: [DONE]\n\n'
            )
            kind, text = "text/event-stream", "".join(f"data: {event}\n\n" for event in events) + done
        elif b"json" in body:
            kind, text = "application/json", '{"segments": [{"speaker": "A"}]}'
        self._answer(200, kind, text)

    def _answer(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service without any inventory, and two recordings."""
    Service.got = []
    monkeypatch.setenv("GREFFIER_API_KEY", "a2V5")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "a.wav").write_bytes(b"RIFF one")
    (tmp_path / "b.wav").write_bytes(b"RIFF two")
    (tmp_path / "letter.txt").write_bytes(b"no sound")
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_a_file_without_an_inventory(run: Run, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = run("transcribe", "a.wav", "--base-url", address)
    assert (said.status, said.out) == (0, "And so.\n"), said
    assert b'filename="a.wav"' in Service.got[0] and b"whisper-1" in Service.got[0]
    assert "Did you mean" in run("transcribe", "a.wav", "-u", address.removesuffix("/v1")).err
    assert "is not a URL: 'whisper.example.org'" in run("transcribe", "a.wav", "-u", "whisper.example.org").err
    assert "contains a password" in run("transcribe", "a.wav", "-u", "https://a:b@c.example/v1").err
    monkeypatch.setenv("GREFFIER_API_KEY", "other")
    said = run("transcribe", "a.wav", "-u", address)
    assert (
        said.status == 3 and "No valid API key was given. (status 401)" in said.err and "GREFFIER_API_KEY" in said.err
    )


def test_who_said_what(run: Run, address: str) -> None:
    said = run("transcribe", "a.wav", "-u", address, "-f", "diarized_json")
    assert json.loads(said.out)["segments"][0]["speaker"] == "A" and b"diarized_json" in Service.got[0]


def test_several_files(run: Run, address: str, tmp_path: Path) -> None:
    said = run("transcribe", "a.wav", "b.wav", "-u", address)
    assert (said.status, said.out) == (0, "==> a.wav <==\nAnd so.\n\n==> b.wav <==\nAnd so.\n")
    said = run("transcribe", "a.wav", "letter.txt", "b.wav", "none.wav", "-u", address, "-o", "texts")
    assert said.status == 3 and "2 of 4 could not be transcribed." in said.err
    assert "letter.txt: That is text, not audio. (status 400)" in said.err and "none.wav cannot be read" in said.err
    assert {path.name: path.read_text() for path in (tmp_path / "texts").iterdir()} == {
        "a.txt": "And so.", "b.txt": "And so.",
    }  # fmt: skip


def test_standard_input(run: Run, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"RIFF piped"), isatty=lambda: False))
    assert run("transcribe", "-", "-u", address).out == "And so.\n" and b"RIFF piped" in Service.got[0]
    assert "Standard input is empty." in run("transcribe", "-", "-u", address).err


def test_an_address_is_fetched_by_the_service(run: Run, address: str) -> None:
    said = run("transcribe", "https://media.example.org/talk.mp3", "-u", address, "-l", "en")
    assert said.out == "And so.\n" and b"https://media.example.org/talk.mp3" in Service.got[0]
    assert (
        b'name="url"' in Service.got[0] and b'name="language"' in Service.got[0] and b"filename" not in Service.got[0]
    )


def test_a_text_as_it_is_made(run: Run, address: str, tmp_path: Path) -> None:
    assert run("transcribe", "a.wav", "--stream", "-u", address).out == "And so.\n"
    (tmp_path / "a.wav").write_bytes(b"RIFF cut")
    said = run("transcribe", "a.wav", "--stream", "-u", address)
    assert said.status == 3 and "ended before the text was complete" in said.err
    assert "--stream works with the format text only." in run("transcribe", "a.wav", "--stream", "-f", "srt").err
