"""Who is let in, and how: every client that people have, and what a stranger gets."""

import base64
import os
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

from tests.heard import plain
from tests.integration.kit import JFK, MODEL, SAID, Kit

PATHS = ("/v1/audio/transcriptions", "/v1/models", "/docs", "/health", "/metrics", "/nothing")


def test_python_client_with_a_key(kit: Kit) -> None:
    with kit.openai() as client:
        assert MODEL in [model.id for model in client.models.list()]
        assert client.models.retrieve(MODEL).id == MODEL
    assert plain(kit.transcribed().text) == SAID


def test_python_client_with_user_and_password_in_the_address(kit: Kit) -> None:
    base = f"https://anna:{kit.password}@localhost:{kit.ports['https']}/whisper/v1"
    with kit.openai(base=base, key="unused") as client, JFK.open("rb") as file:
        assert plain(client.audio.transcriptions.create(model=MODEL, file=file).text) == SAID


def test_azures_client_with_a_key(kit: Kit) -> None:
    with kit.azure() as client, JFK.open("rb") as file:
        assert plain(client.audio.transcriptions.create(model=MODEL, file=file).text) == SAID
        assert MODEL in [model.id for model in client.models.list()]
    with kit.azure(key="wrong") as stranger, pytest.raises(openai.AuthenticationError) as refused:
        stranger.models.list()
    assert refused.value.code == "invalid_api_key"


def test_npm_client(kit: Kit) -> None:
    told = kit.node("transcribe.mjs")
    assert plain(told["answer"]["text"]) == SAID and told["requests"] == 1


def test_vercels_client_with_any_option(kit: Kit) -> None:
    told = kit.node("vercel.mjs")
    said = {name: plain(answer.get("text", "")) for name, answer in told.items()}
    assert said == dict.fromkeys(told, SAID) and len(told) == 9
    assert told["whisper-1 language"]["segments"] and told["whisper-1 language"]["language"] == "en"
    assert told["gpt-4o-transcribe language"]["segments"] == []
    assert told["gpt-4o-transcribe words"]["warning"].startswith("timestamp_granularities ")
    assert told["whisper-1 logprobs"]["warning"].startswith("include ")


def test_npm_client_with_a_wrong_key(kit: Kit) -> None:
    told = kit.node("transcribe.mjs", API_KEY="wrong")
    assert told["error"]["kind"] == "AuthenticationError" and told["error"]["code"] == "invalid_api_key"
    assert told["requests"] == 1


def test_curl(kit: Kit) -> None:
    port = kit.ports["https"]
    resolve = ("--resolve", f"whisper.localhost:{port}:127.0.0.1")
    form = ("--form", f"file=@{JFK}", "--form", f"model={MODEL}", "--form", "response_format=text")
    url = f"https://whisper.localhost:{port}/v1/audio/transcriptions"
    status, text = kit.curl(*resolve, *form, url, headers=kit.bearer())
    assert (status, plain(text)) == (200, SAID)


def test_bazarr_wakes_a_service_with_samples(kit: Kit) -> None:
    """Its address of the service has user and password in it, which it sends as Basic."""
    starts = kit.asleep()
    with wave.open(str(JFK)) as file:
        samples = file.readframes(file.getnframes())
    with kit.http(key="", name="whisper.localhost") as client:
        answer = client.post(
            "/asr",
            params={"task": "transcribe", "language": "en", "output": "srt", "encode": "false"},
            files={"audio_file": samples},
            auth=("anna", kit.password),
        )
    assert answer.status_code == 200, answer.text
    cues = [cue.split("\n") for cue in answer.text.strip().split("\n\n")]
    assert cues[0][1].startswith("00:00:00,") and plain(" ".join(line for cue in cues for line in cue[2:])) == SAID
    assert kit.state()["starts"] == starts + 1


@pytest.mark.parametrize("way", ["Bearer {key}", "bearer  {key}==", "Basic {pair}"])
def test_ways_to_send_a_password(kit: Kit, way: str) -> None:
    pair = base64.b64encode(f"anna:{kit.password}".encode()).decode()
    assert pair.rstrip("=") == kit.api_key
    way = way.format(key=kit.api_key, pair=pair).replace("==", "=" * pair.count("="))
    status, text = kit.curl(f"{kit.origin}/whisper/v1/models", headers={"Authorization": way})
    assert status == 200 and MODEL in text


def test_azures_header_counts_where_there_is_no_authorization(kit: Kit) -> None:
    def status(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return kit.curl(f"{kit.origin}/whisper/v1/models", headers=named)[0]

    assert status(api_key=kit.api_key) == 200
    assert status(api_key=kit.api_key, Authorization="Bearer wrong") == 401
    assert status(api_key=f"Basic {kit.api_key}") == status(api_key="wrong") == 401


@pytest.mark.parametrize("name", ["localhost", "whisper.localhost"])
@pytest.mark.parametrize("key", ["", "wrong", "YW5uYTp3cm9uZw"], ids=["none", "garbage", "wrong password"])
def test_a_stranger_gets_401_everywhere_and_wakes_nothing(kit: Kit, name: str, key: str) -> None:
    starts = kit.asleep()
    prefix = "/whisper" if name == "localhost" else ""
    with kit.http(key=key, name=name) as client:
        for path in PATHS:
            answer = client.get(prefix + path)
            assert answer.status_code == 401, path
            error = answer.json()["error"]
            assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
            assert answer.headers["x-should-retry"] == "false"
            assert answer.headers["www-authenticate"].startswith("Basic ")
    state = kit.state()
    assert (state["state"], state["starts"]) == ("asleep", starts)


def test_python_client_with_a_wrong_key_asks_once(kit: Kit) -> None:
    agent = "asks-once"
    with kit.openai(key="wrong", default_headers={"User-Agent": agent}) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            client.models.list()
        assert refused.value.code == "invalid_api_key"
    assert len(kit.logged(agent)) == 1


@pytest.mark.parametrize("awake", [False, True], ids=["asleep", "awake"])
@pytest.mark.parametrize("client", ["openai", "curl", "deaf"])
def test_no_byte_of_a_strangers_upload_is_kept(kit: Kit, tmp_path: Path, client: str, awake: bool) -> None:
    kit.asleep()
    if awake:
        kit.awake()
    starts = kit.state()["starts"]
    big = tmp_path / "big.wav"
    big.write_bytes(b"\0" * 50_000_000)
    with _nothing_written(kit):
        _refused(kit, client, big)
    state = kit.state()
    assert (state["state"], state["starts"]) == ("ready" if awake else "asleep", starts)
    if awake:
        assert "/v1/audio/transcriptions" not in kit.http().get("/whisper/metrics").text


def _refused(kit: Kit, client: str, big: Path) -> None:
    """Send a large file without a password, in the way of: OpenAI's client, curl, and a client that does not listen."""
    if client == "openai":
        with kit.openai(key="wrong") as own, big.open("rb") as file, pytest.raises(openai.AuthenticationError):
            own.audio.transcriptions.create(model=MODEL, file=file)
    elif client == "curl":
        url = f"{kit.origin}/whisper/v1/audio/transcriptions"
        status, text = kit.curl("--form", f"file=@{big}", "--form", f"model={MODEL}", url)
        assert status == 401 and "invalid_api_key" in text
    else:
        with kit.connection() as connection:
            head = ("POST /whisper/v1/audio/transcriptions HTTP/1.1", "Host: localhost", "Content-Length: 50000000")
            connection.sendall("\r\n".join([*head, "", ""]).encode())
            try:
                connection.sendall(big.read_bytes())
                answer = connection.recv(4096)
            except OSError:  # nginx had heard enough
                return
            assert answer.startswith(b"HTTP/1.1 401 ")


@contextmanager
def _nothing_written(kit: Kit) -> Iterator[None]:
    """No file is made in the places of nginx's and of the service's temporary files, not even one without a name."""
    folders = [kit.spool, *(path for path in (kit.root / "var" / "nginx").rglob("*") if path.is_dir())]
    assert len(folders) > 3, folders
    before = {folder: folder.stat().st_mtime_ns for folder in folders}  # a file made and unlinked changes this as well
    spooled: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            spooled.update(_open_files(str(kit.root / "var" / "nginx"), str(kit.spool)))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    assert not spooled
    assert {folder: folder.stat().st_mtime_ns for folder in folders} == before


def _open_files(*folders: str) -> Iterator[str]:
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            path = os.readlink(link)
        except OSError:
            continue
        if path.startswith(folders):
            yield path
