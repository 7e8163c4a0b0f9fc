"""/v1/files and /v1/batches, through OpenAI's own client."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_jobs import settings
from toy import Toy

from stt_core.fetch.addresses import hosts
from stt_core.jobs import batch_lines
from stt_core.jobs.batch_lines import Line, Mistake
from stt_core.kind import Kind
from stt_testing import sounds
from stt_testing.service import Service, serving, until

ENDPOINT = "/v1/audio/transcriptions"


@pytest.fixture
def engine() -> Toy:
    return Toy()


@pytest.fixture
def service(engine: Toy, tmp_path: Path) -> Iterator[Service]:
    asked = settings(tmp_path, url_allow=hosts("localhost"))
    with serving(Kind("Batches", lambda: engine), asked) as running:
        yield running


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        """Nothing to tell."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """Where two recordings are to be had."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "two.wav").write_bytes(sounds.clip(2))
    (folder / "three.wav").write_bytes(sounds.clip(3))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def line(custom_id: str, **body: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body}


def begun(client: openai.OpenAI, lines: list[dict[str, Any]]) -> Any:
    content = "".join(json.dumps(one) + "\n" for one in lines).encode()
    file = client.files.create(file=("lines.jsonl", content), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h")  # type: ignore[arg-type]


def ended(client: openai.OpenAI, batch: str) -> Any:
    until(lambda: client.batches.retrieve(batch).status in ("completed", "cancelled", "failed"), "the batch has ended")
    return client.batches.retrieve(batch)


def answers(client: openai.OpenAI, file: str | None) -> dict[str, Any]:
    assert file
    found = [json.loads(one) for one in client.files.content(file).text.splitlines()]
    return {one["custom_id"]: one["response"] for one in found}


def test_a_batch_of_urls_and_files(service: Service, site: str) -> None:
    client = service.client()
    audio = client.files.create(file=("talk.wav", sounds.clip(2)), purpose="user_data")
    batch = begun(
        client,
        [
            line("by url", url=f"{site}/three.wav", model="toy", response_format="verbose_json", language="en"),
            line("by file", file_id=audio.id),
            line("srt", url=f"{site}/two.wav", response_format="srt"),
            line("missing", url=f"{site}/nothing.wav"),
            line("not there", file_id="file-0"),
            line("wrong", url=f"{site}/two.wav", response_format="docx"),
            line("no model", url=f"{site}/two.wav", model="nobody/knows"),
            line("private", url="http://127.0.0.1:1/x.wav"),
        ],
    )
    assert (batch.object, batch.status, batch.request_counts.total) == ("batch", "in_progress", 8)
    over = ended(client, batch.id)
    assert over.status == "completed" and over.completed_at
    assert (over.request_counts.completed, over.request_counts.failed) == (3, 5)
    good, bad = answers(client, over.output_file_id), answers(client, over.error_file_id)
    assert set(good) == {"by url", "by file", "srt"}
    assert {one["status_code"] for one in good.values()} == {200}
    assert good["by url"]["body"]["text"].startswith("second0") and good["by url"]["body"]["segments"]
    assert good["by file"]["body"]["text"] and "-->" in good["srt"]["body"]
    assert {name: one["status_code"] >= 400 for name, one in bad.items()} == {
        name: True for name in ("missing", "not there", "wrong", "no model", "private")
    }
    assert "docx" in bad["wrong"]["body"]["error"]["message"]
    assert [one.id for one in client.batches.list(limit=1)][:1] == [batch.id]
    assert audio.id in [one.id for one in client.files.list()]
    assert client.files.content(audio.id).content == sounds.clip(2)
    assert client.files.delete(audio.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(audio.id)


def test_mistakes_in_the_lines_are_told_and_nothing_is_done(service: Service, engine: Toy) -> None:
    client = service.client()
    batch = begun(client, [line("1", url="https://example.org/a.wav"), line("1", url="x"), line("3"), {"custom_id": 4}])
    assert batch.status == "failed" and batch.errors
    assert [(one.line, one.code) for one in batch.errors.data] == [
        (2, "duplicate_custom_id"),
        (3, "invalid_body"),
        (4, "invalid_custom_id"),
    ]
    assert engine.batches == []
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="file-0", endpoint=ENDPOINT, completion_window="24h")  # type: ignore[arg-type]
    file = client.files.create(file=("lines.jsonl", b"\n"), purpose="batch")
    with pytest.raises(openai.BadRequestError):
        client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    empty = client.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h")  # type: ignore[arg-type]
    assert empty.status == "failed"


def test_a_request_for_a_batch_is_bounded(service: Service) -> None:
    asked = {"input_file_id": "x", "endpoint": ENDPOINT, "completion_window": "24h", "metadata": {"a": "b" * 1_000_000}}
    answer = httpx.post(f"{service.url}/v1/batches", json=asked)
    assert answer.status_code == 400 and "longer than" in answer.json()["error"]["message"]
    broken = httpx.post(f"{service.url}/v1/batches", content=b"{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 400 and broken.json()["error"]["message"]


def test_a_batch_is_cancelled_and_keeps_what_is_done(service: Service, engine: Toy, site: str) -> None:
    client = service.client()
    engine.gate.clear()
    batch = begun(client, [line(str(number), url=f"{site}/two.wav") for number in range(50)])
    until(lambda: service.get("/status").json()["jobs"]["processing"] == 8, "some are processed")
    assert service.get("/status").json()["wake_at"] == 0
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    until(lambda: service.get("/status").json()["jobs"] == {"queued": 0, "processing": 0}, "all are cancelled")
    engine.gate.set()
    over = ended(client, batch.id)
    assert over.status == "cancelled"
    counts = over.request_counts
    assert counts.completed + counts.failed == 50 and counts.failed >= 42
    assert len(answers(client, over.error_file_id)) == counts.failed
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_a_batch_goes_on_after_a_restart(tmp_path: Path, site: str) -> None:
    asked = settings(tmp_path, url_allow=hosts("localhost"))
    engine = Toy()
    with serving(Kind("Batches", lambda: engine), asked) as running:
        engine.gate.clear()
        batch = begun(running.client(), [line(str(number), url=f"{site}/two.wav") for number in range(40)])
        until(lambda: running.get("/status").json()["jobs"]["processing"] == 8, "some are processed")
        engine.gate.set()
    with serving(Kind("Batches", Toy), asked) as running:
        over = ended(running.client(), batch.id)
        assert (over.status, over.request_counts.completed) == ("completed", 40)
        found = answers(running.client(), over.output_file_id)
        assert set(found) == {str(number) for number in range(40)}
        assert len(running.get(f"{ENDPOINT}?user_uuid={batch.id}&limit=100").json()["data"]) == 40


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"{}", b"[]", b'{"custom_id": 1}', b"[" * 5000])))
def test_whatever_the_lines_are_each_is_told_or_taken(lines: list[bytes]) -> None:
    found, mistakes = batch_lines.parsed(lines, ENDPOINT)
    assert all(isinstance(one, Line) for one in found) and all(isinstance(one, Mistake) for one in mistakes)
    assert found or mistakes


def test_fields_of_a_body_are_those_of_a_form() -> None:
    body = {"url": "x", "language": "en", "temperature": 0.2, "timestamp_granularities": ["word"], "include[]": ["a"]}
    assert batch_lines.fields({**body, "prompt": None, "stream": True}) == [
        ("language", "en"),
        ("temperature", "0.2"),
        ("timestamp_granularities[]", "word"),
        ("include[]", "a"),
    ]
