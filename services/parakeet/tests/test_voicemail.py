"""In the place of the known voicemail server: its settings, its calls, its database, its clients' pages."""

import json
import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from parakeet_process import COMMAND
from transducer import make
from voicemail import PAIR, PATH, PATIENCE, calls, ended, message

from stt_core.errors import StartError
from stt_core.settings import Settings, from_environment
from stt_parakeet import environment, former
from stt_parakeet.environment import Own
from stt_testing.service import until

KNOWN: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "known_answers.json").read_text())
"""What its version of 2026-03 answers, as `python voicemail.py` noted it."""
BETTER = {
    # FastAPI's own errors there; here the shape that its API's page promises.
    "lookup without names": {"status": 400},
    "submit nothing": {"status": 400},
    "no such job": {"status": 404},
    "no such result": {"status": 404},
}
VOCABULARY = tuple(f"▁{word}" for word in ("one", "two", "three", "four", "five", "six", "seven", "eight"))
TEXT = "one three two"
TABLE = """CREATE TABLE transcriptions (id TEXT PRIMARY KEY, user_uuid TEXT NOT NULL, message_id TEXT NOT NULL,
    status TEXT NOT NULL, text TEXT, duration REAL, error TEXT, created_at INTEGER NOT NULL, completed_at INTEGER,
    {last} UNIQUE(user_uuid, message_id))"""


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[httpx.Client]:
    """The service as its users start it: by the known settings, and no others."""
    if not (folder / "models").exists():
        make(folder / "models" / "parakeet", VOCABULARY, config=False)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STT_")}
    known = {
        "HOST": "127.0.0.1",
        "PORT": "1",
        "RUST_LOG": "info",
        "MODEL_PATH": str(folder / "models" / "parakeet"),
        "DB_PATH": str(folder / "data" / "transcriptions.db"),
        "ENABLE_DIARIZATION": "false",
        "ENABLE_VAD": "false",  # what is said here is no speech
        "STT_PORT": "0",
        "STT_URL_ALLOW": "localhost",
    }
    log = folder / "log"
    with log.open("wb") as stream:
        child = subprocess.Popen(COMMAND, env=kept | known | settings, stderr=stream)
    try:
        until(lambda: child.poll() is not None or b" port " in log.read_bytes(), "listening")
        assert child.poll() is None, log.read_text()
        line = next(line for line in log.read_text().splitlines() if "listening on" in line)
        port = int(json.loads(line)["message"].rpartition(" ")[2])
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            until(lambda: child.poll() is not None or client.get("/ready").status_code == 200, "ready")
            yield client
    finally:
        child.terminate()
        try:
            child.wait(timeout=PATIENCE)
        finally:
            child.kill()


def refusal(folder: Path, **settings: str) -> str:
    """The last line of a service that does not start."""
    with pytest.raises(AssertionError), running(folder, **settings):
        pass
    return (folder / "log").read_text().splitlines()[-1]


@contextmanager
def published(folder: Path) -> Iterator[str]:
    """The address of a message on a web server."""
    folder.mkdir(exist_ok=True)
    (folder / "message.wav").write_bytes(message())

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *words: Any, **named: Any) -> None:
            super().__init__(*words, directory=str(folder), **named)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/message.wav"
        finally:
            server.shutdown()
            thread.join()


def differences(known: Any, ours: Any, where: str) -> Iterator[str]:
    """What of a known answer ours has not."""
    if isinstance(known, dict) and isinstance(ours, dict):
        for key, value in known.items():
            if key in ours:
                yield from differences(value, ours[key], f"{where}.{key}")
            else:
                yield f"{where}.{key} is missing"
    elif isinstance(known, list) and isinstance(ours, list):
        if known and ours:
            yield from differences(known[0], ours[0], f"{where}[]")
    elif known != ours and "NoneType" not in (known, ours):
        yield f"{where}: {known} there, {ours} here"


def test_each_call_is_answered_as_the_known_server_answers_it(tmp_path: Path) -> None:
    with published(tmp_path / "www") as url, running(tmp_path) as client:
        ours = calls(client, url)
        assert client.get(f"{PATH}/lookup", params=PAIR).json()["text"] == TEXT
        assert {"id": "parakeet-tdt", "object": "model"}.items() <= client.get("/v1/models/parakeet-tdt").json().items()
    assert ours.keys() == KNOWN.keys()
    assert not [
        line for name, known in KNOWN.items() for line in differences(BETTER.get(name, known), ours[name], name)
    ]


def test_its_pages_lines_do_what_they_say(tmp_path: Path) -> None:
    """The calls of its README, with curl, against a service that has its settings alone."""
    (tmp_path / "audio.wav").write_bytes(message())
    with published(tmp_path / "www") as url, running(tmp_path) as client:

        def curl(*words: str) -> dict[str, Any]:
            done = subprocess.run(
                ["curl", "-sS", *words], capture_output=True, text=True, check=True, cwd=tmp_path, timeout=PATIENCE
            )
            found: dict[str, Any] = json.loads(done.stdout)
            return found

        base = str(client.base_url).rstrip("/")
        post = ("-X", "POST", f"{base}{PATH}", "-F", "user_uuid=abc-123", "-F", "message_id=msg-456")
        first = curl(*post, "-F", "file=@audio.wav")
        assert (first["status"], first["cached"]) == ("queued", False)
        assert ended(client, first["job_id"]).json()["text"] == TEXT
        assert curl(*post, "-F", f"url={url}")["cached"] is True
        forced = curl(*post, "-F", f"url={url}", "-F", "force=true")
        assert forced["cached"] is False
        assert ended(client, forced["job_id"]).json()["status"] == "completed"
        assert curl(f"{base}{PATH}/lookup?user_uuid=abc-123&message_id=msg-456")["job_id"] == forced["job_id"]
        assert curl(f"{base}{PATH}/{forced['job_id']}/result").items() >= {"text": TEXT}.items()
        call = ("-X", "POST", f"{base}/v1/audio/recordings", "-F", "file=@audio.wav", "-F", "diarize=true")
        told = curl(*call)
        assert (told["text"], told["diarization_enabled"], told["duration"]) == (TEXT, False, 4.0)
        assert [segment.keys() >= {"id", "start", "end", "text"} for segment in told["segments"]] == [True]


def test_any_page_may_ask_where_the_operator_says_so(tmp_path: Path) -> None:
    page = {"Origin": "https://pbx.example.org"}
    with running(tmp_path, STT_CORS_ORIGINS="*") as client:
        for path in (f"{PATH}/lookup?user_uuid=a&message_id=b", f"{PATH}/none", "/v1/models"):
            assert client.get(path, headers=page).headers["access-control-allow-origin"] == "*"
        asked = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "content-type"}
        told = client.options(f"{PATH}/x", headers=page | asked)
        assert told.status_code == 200 and "DELETE" in told.headers["access-control-allow-methods"]
        assert "access-control-allow-credentials" not in told.headers
    with running(tmp_path) as client:
        assert "access-control-allow-origin" not in client.get("/v1/models", headers=page).headers


# Its settings.


def settings(**variables: str) -> Settings:
    return from_environment(variables, environment.defaults(variables))


def test_its_settings_are_known_and_its_defaults_hold_beside_its_database() -> None:
    plain = settings()
    assert (plain.host, plain.port, plain.jobs_dir, plain.max_audio_seconds) == ("127.0.0.1", 8003, None, 0)
    own = settings(DB_PATH="/data/transcriptions.db", HOST="0.0.0.0", PORT="8000", RUST_LOG="debug")
    assert (own.host, own.port, own.log_level, own.jobs_dir) == ("0.0.0.0", 8000, "debug", Path("/data"))
    assert (own.jobs_pending, own.max_audio_seconds, own.jobs_keep_transcripts) == (100, 480, 365 * 86400)
    more = settings(
        DB_PATH="/data/x.db", MAX_QUEUE_SIZE="5", MAX_AUDIO_DURATION_SECS="60", TEXT_RETENTION_DAYS="7",
        MODEL_NAME="nemo-parakeet-tdt-0.6b-v2", LOG_LEVEL="WARNING",
    )  # fmt: skip
    assert (more.jobs_pending, more.max_audio_seconds, more.jobs_keep_transcripts) == (5, 60, 7 * 86400)
    assert (more.model, more.log_level) == ("istupakov/parakeet-tdt-0.6b-v2-onnx", "warning")
    assert settings(DB_PATH="/data/x.db", STT_JOBS_PENDING="9", STT_PORT="1").jobs_pending == 9
    elsewhere = settings(DB_PATH="/data/x.db", STT_JOBS_DIR="/jobs")
    assert (elsewhere.jobs_dir, elsewhere.jobs_pending) == (Path("/jobs"), 1000)
    assert environment.own({"ENABLE_DIARIZATION": "false", "MODEL_PATH": "/m"}) == Own(Path("/m"), None, False)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "eight", "PORT='eight': must be a whole number"),
        ("MAX_QUEUE_SIZE", "-1", "MAX_QUEUE_SIZE='-1'"),
        ("MODEL_NAME", "whisper-base", "must be one of nemo-parakeet-tdt-0.6b-v3"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(StartError) as caught:
        environment.defaults({name: value})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "level"),
    [("", "info"), ("info", "info"), ("server=debug,warn", "warning"), ("off", "error"), ("TRACE", "debug")],
)
def test_the_rust_versions_level_is_read(text: str, level: str) -> None:
    assert settings(RUST_LOG=text).log_level == level


def test_a_message_that_is_too_long_is_refused_with_its_length(tmp_path: Path) -> None:
    with running(tmp_path, MAX_AUDIO_DURATION_SECS="90") as client:
        for path, fields in ((PATH, PAIR), (PATH, {}), ("/v1/audio/recordings", {})):
            answer = client.post(path, data=fields, files={"file": ("long.wav", message(130))})
            assert answer.status_code == 400, answer.text
            said = answer.json()["error"]["message"]
            assert said.startswith("Audio too long: ") and said.endswith("Maximum allowed: 1.5 minutes.")


# Its database.


def database(path: Path, *rows: tuple[Any, ...], last: str = "last_lookup INTEGER,") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute(TABLE.format(last=last))
        marks = ", ".join("?" * (10 if last else 9))
        connection.executemany(
            f"INSERT INTO transcriptions VALUES ({marks})", [row[: 10 if last else 9] for row in rows]
        )
    connection.close()
    return path


def row(number: int, status: str = "completed", **fields: Any) -> tuple[Any, ...]:
    now = int(time.time())
    usual: dict[str, Any] = {"text": f"message {number}", "duration": 12.5, "error": None, "last": None}
    told = usual | fields
    identity = f"00000000-0000-4000-8000-{number:012d}"
    return (
        identity, "user", f"message-{number}", status, told["text"], told["duration"], told["error"],
        now - 3600, now - 3590, told["last"],
    )  # fmt: skip


def test_what_it_transcribed_is_found_and_its_file_stays(tmp_path: Path) -> None:
    path = database(
        tmp_path / "data" / "transcriptions.db",
        row(1),
        row(2, "failed", text=None, duration=None, error="Failed: no sound"),
        row(3, text=None),
        row(4, "queued", text=None, duration=None),
        row(5, "processing", text=None, duration=None),
    )
    before = path.read_bytes()
    with running(tmp_path) as client:

        def lookup(number: int) -> Mapping[str, Any]:
            asked = {"user_uuid": "user", "message_id": f"message-{number}"}
            found: dict[str, Any] = client.get(f"{PATH}/lookup", params=asked).json()
            return found

        first = lookup(1)
        assert (first["found"], first["status"], first["text"], first["duration"]) == (
            True,
            "completed",
            "message 1",
            12.5,
        )
        assert client.get(f"{PATH}/{first['job_id']}").json()["created_at"] == first["created_at"]
        assert client.get(f"{PATH}/{first['job_id']}/result").json()["text"] == "message 1"
        assert client.get(f"{PATH}/{first['job_id']}/result?response_format=srt").text.startswith("1\n00:00:00,000 -->")
        assert (lookup(2)["status"], lookup(2)["error"]) == ("failed", "Failed: no sound")
        assert (lookup(3)["status"], lookup(3)["text"]) == ("completed", None)
        again = {"user_uuid": "user", "message_id": "message-1"}
        assert client.post(PATH, data=again, files={"file": ("a.wav", message())}).json()["cached"] is True
        for lost in (4, 5):
            assert lookup(lost) == {"found": False}
            asked = {"user_uuid": "user", "message_id": f"message-{lost}"}
            told = client.post(PATH, data=asked, files={"file": ("a.wav", message())}).json()
            assert told["cached"] is False and ended(client, told["job_id"]).json()["text"] == TEXT
        assert client.get("/health").json()["db_stats"] == {"total": 5, "completed": 4, "failed": 1, "pending": 0}
        assert client.delete(f"{PATH}/{first['job_id']}").status_code == 200
    assert path.read_bytes() == before
    with running(tmp_path) as client:  # and what was erased since does not come back
        asked = {"user_uuid": "user", "message_id": "message-1"}
        assert client.get(f"{PATH}/lookup", params=asked).json() == {"found": False}
        assert client.get("/health").json()["db_stats"]["total"] == 4


def test_a_database_of_its_first_versions_and_a_large_one_are_taken_over(tmp_path: Path) -> None:
    database(tmp_path / "data" / "transcriptions.db", *[row(number) for number in range(5000)], last="")
    with running(tmp_path) as client:
        assert client.get("/health").json()["db_stats"]["completed"] == 5000
        assert "5000 transcriptions taken over" in (tmp_path / "log").read_text()


def test_its_retention_counts_from_the_last_lookup(tmp_path: Path) -> None:
    now = int(time.time())
    path = database(tmp_path / "x.db", row(1, last=now - 5), row(2))
    found = {one.message_id: one.ended_at for one in former.past(path)}
    assert found["message-1"] == now - 5 and found["message-2"] < now - 3000


@pytest.mark.parametrize("content", [b"", None])
def test_where_there_is_no_database_there_is_nothing_to_take_over(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.db").write_bytes(content)
    assert not former.present(tmp_path / "x.db")


def test_what_is_no_such_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    path = data / "transcriptions.db"
    path.write_bytes(b"no database at all" * 100)
    assert "cannot be read: file is not a database" in refusal(tmp_path)
    assert path.read_bytes() == b"no database at all" * 100
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (id TEXT)")
    connection.close()
    assert "is the database of another program: it has no table transcriptions" in refusal(tmp_path)
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE transcriptions (id TEXT, status TEXT)")
    connection.close()
    assert "no column completed_at in transcriptions" in refusal(tmp_path)
    whole = database(tmp_path / "other.db", *[row(number) for number in range(300)])
    path.write_bytes(whole.read_bytes()[:20_000])
    assert "cannot be read: database disk image is malformed" in refusal(tmp_path)
    path.write_bytes(whole.read_bytes())  # and of what failed, nothing was kept
    with running(tmp_path) as client:
        assert client.get("/health").json()["db_stats"]["total"] == 300


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Not even by root: nobody makes folders there."""
    assert "Jobs cannot be kept in /proc/greffier" in refusal(tmp_path, DB_PATH="/proc/greffier/transcriptions.db")


def test_a_folder_in_a_files_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert "Jobs cannot be kept" in refusal(tmp_path)
