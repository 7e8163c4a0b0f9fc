"""Realtime sessions through nginx and autostart, with OpenAI's own clients and the programs of docs/realtime.md."""

import os
import re
import subprocess
import sys
import time
import wave
from pathlib import Path

import pytest

from tests.heard import plain
from tests.integration.kit import JFK, PATIENCE, ROOT, Kit, until

DOCS = (ROOT / "docs" / "realtime.md").read_text()
PARTS = ("fellow americans", "your country can do for you", "you can do for your country")


@pytest.fixture(scope="module")
def pcm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as 16 bit samples at 24 kHz, made of its 16 kHz as two lines have it: three for each two."""
    with wave.open(str(JFK)) as file:
        raw = memoryview(file.readframes(file.getnframes())).cast("h")
    lower = [*raw, 0]
    samples = []
    for place in range(0, len(raw) - 1, 2):
        first, second, third = lower[place : place + 3]
        samples += [first, (first + 2 * second) // 3, (2 * second + third) // 3]
    path = tmp_path_factory.mktemp("pcm") / "speech.pcm"
    path.write_bytes(b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples))
    return path


def _heard(text: str) -> bool:
    places = [plain(text).find(part) for part in PARTS]
    return places[0] >= 0 and places == sorted(places)


def _documented(kit: Kit, folder: Path, language: str, command: tuple[str, ...], name: str, pcm: Path) -> str:
    """What a program of the documentation prints."""
    found = re.search(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    assert found
    (folder / name).write_text(found[1])
    with pcm.open("rb") as speech:
        done = subprocess.run(
            (*command, str(folder / name)),
            env={
                **os.environ,
                "OPENAI_BASE_URL": f"{kit.origin}/whisper/v1",
                "OPENAI_API_KEY": kit.api_key,
                "SSL_CERT_FILE": kit.authority,
                "NODE_EXTRA_CA_CERTS": kit.authority,
                "NO_PROXY": "localhost",
                "no_proxy": "localhost",
            },
            stdin=speech,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def test_python_wakes_the_service_and_listens(kit: Kit, tmp_path: Path, pcm: Path) -> None:
    starts = kit.asleep()
    assert _heard(_documented(kit, tmp_path, "python", (sys.executable,), "listen.py", pcm))
    assert kit.state()["starts"] == starts + 1
    until(lambda: kit.state()["inFlight"] == 0, "the socket is closed for autostart too")


def test_npm_as_documented(kit: Kit, tmp_path: Path, pcm: Path) -> None:
    (tmp_path / "node_modules").symlink_to(ROOT / "tests" / "npm" / "node_modules")
    assert _heard(_documented(kit, tmp_path, "js", ("node",), "listen.mjs", pcm))


@pytest.mark.parametrize("transport", ["ws", "browser"])
def test_npm_client(kit: Kit, pcm: Path, transport: str) -> None:
    told = kit.node("realtime.mjs", PCM=str(pcm), TRANSPORT=transport)
    assert "error" not in told
    assert _heard(" ".join(told["texts"]))
    assert told["types"][:2] == ["session.created", "session.updated"]
    assert "input_audio_buffer.speech_started" in told["types"]


@pytest.mark.parametrize("transport", ["ws", "browser"])
def test_npm_client_with_a_wrong_key(kit: Kit, pcm: Path, transport: str) -> None:
    told = kit.node("realtime.mjs", PCM=str(pcm), TRANSPORT=transport, API_KEY="wrong")
    assert told["error"] and not told["types"]


def test_an_open_session_keeps_its_service_awake(tight: Kit, tmp_path: Path) -> None:
    program = tmp_path / "wait.py"
    program.write_text(
        "import sys\n"
        "from openai import OpenAI\n"
        'with OpenAI().realtime.connect(extra_query={"intent": "transcription"}) as session:\n'
        "    print(session.recv().type, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        (sys.executable, str(program)),
        env={
            **os.environ,
            "OPENAI_BASE_URL": f"{tight.origin}/whisper/v1",
            "OPENAI_API_KEY": tight.api_key,
            "SSL_CERT_FILE": tight.authority,
            "NO_PROXY": "localhost",
            "no_proxy": "localhost",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin and child.stdout
    try:
        assert child.stdout.readline() == "session.created\n"
        idle = tight.state()["idleSeconds"]
        while (state := tight.state())["since"] < 2.5 * idle:
            assert (state["state"], state["inFlight"]) == ("ready", 1)
            time.sleep(0.1)
    finally:
        child.communicate("")
    until(lambda: tight.state()["state"] == "asleep", "it sleeps when the session is closed")
