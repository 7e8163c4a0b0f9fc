"""Too many, too large: a client that overdoes it harms nobody else, and is told what to do."""

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import openai
import pytest

from tests.integration.audio import wav
from tests.integration.kit import JFK, MODEL, Kit, until

FLOOD = 100
"""Requests; the inventory lets five a second pass, and ten more at once."""


@pytest.mark.parametrize(("key", "address", "taken"), [(None, "127.0.0.3", 200), ("wrong", "127.0.0.4", 401)])
def test_a_flood_is_refused_while_another_address_is_served(
    tight: Kit, key: str | None, address: str, taken: int
) -> None:
    with (
        tight.http(key=key, address=address) as flooding,
        tight.http(address="127.0.0.2") as other,
        ThreadPoolExecutor(16) as pool,
    ):
        flood = [pool.submit(flooding.get, "/whisper/health") for _ in range(FLOOD)]
        assert [other.get("/whisper/health").status_code for _ in range(3)] == [200] * 3
        answers = [future.result() for future in flood]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and {answer.status_code for answer in answers if answer not in refused} == {taken}
    for answer in refused:
        assert int(answer.headers["retry-after"]) >= 1 and "x-should-retry" not in answer.headers
        assert answer.json()["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("method", "headers", "address", "taken"),
    [
        ("OPTIONS", {"Origin": "https://evil.example"}, "127.0.0.5", 204),
        ("POST", {"Origin": "https://evil.example"}, "127.0.0.6", 403),
        ("GET", {"Origin": "https://evil.example", "Path": "/whisper"}, "127.0.0.7", 401),
        ("GET", {"Path": "/whisper/./x"}, "127.0.0.8", 401),
    ],
)
def test_no_flood_passes_the_limit(tight: Kit, method: str, headers: dict[str, str], address: str, taken: int) -> None:
    path = headers.get("Path", "/whisper/v1/models")
    with tight.http(key="", address=address) as client:
        statuses = Counter(client.request(method, path, headers=headers).status_code for _ in range(FLOOD))
    assert statuses.keys() == {taken, 429} and statuses[429] > FLOOD / 2


def test_one_address_has_so_many_requests_at_once_while_another_is_served(tight: Kit) -> None:
    """The inventory lets five a second pass, so 20 may be there at once."""
    tight.awake()
    head, _ = tight.upload(b"x" * 1000)  # whose body does not come
    with ExitStack() as opened, tight.http(address="127.0.0.2") as other:
        for number in range(20):
            opened.enter_context(tight.connection(address="127.0.0.9")).sendall(head)
            time.sleep(0.25 * (number > 8))  # so that it is not how fast they come
        until(lambda: tight.state()["inFlight"] == 20, "all are there")
        time.sleep(0.5)
        one_more = opened.enter_context(tight.connection(address="127.0.0.9"))
        one_more.sendall(head)
        assert one_more.recv(65536).startswith(b"HTTP/1.1 429 ")
        assert other.get("/whisper/health").status_code == 200


def test_python_client_outlasts_a_flood(tight: Kit) -> None:
    """It waits as long as it is told, and its request goes through."""
    with tight.http(address="127.0.0.1") as client, tight.openai(max_retries=10) as own:
        statuses = {client.get("/whisper/health").status_code for _ in range(FLOOD)}
        assert statuses <= {200, 429}
        assert own.models.list().data
        until(lambda: client.get("/whisper/health").status_code == 200, "the flood is over")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of 2 MB, where the inventory says `upload_limit: 1M`."""
    path = tmp_path / "large.wav"
    path.write_bytes(wav(b"\0" * 2_000_000))
    return path


def test_python_client_sends_a_file_that_is_too_large_once(tight: Kit, large: Path) -> None:
    starts = tight.asleep()
    agent = "python-too-large"
    with (
        tight.openai(default_headers={"User-Agent": agent}) as client,
        large.open("rb") as file,
        pytest.raises(openai.APIStatusError) as refused,
    ):
        client.audio.transcriptions.create(model=MODEL, file=file)
    assert refused.value.status_code == 413
    assert "limit of 1M" in refused.value.message and "upload_limit" in refused.value.message
    assert len(tight.logged(agent, "POST /whisper/v1/audio/transcriptions", " 413 ")) == 1
    assert tight.state()["starts"] == starts


def test_npm_client_sends_a_file_that_is_too_large_once(tight: Kit, large: Path) -> None:
    told = tight.node("transcribe.mjs", AUDIO=str(large))
    assert told["requests"] == 1
    assert told["error"]["status"] == 413 and "limit of 1M" in told["error"]["message"]


def test_chunks_without_a_length_are_bounded_as_well(tight: Kit) -> None:
    piece = b"\0" * 100_000
    with tight.http() as client:
        answer = client.post(
            "/whisper/v1/audio/transcriptions",
            content=(piece for _ in range(30)),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
    assert answer.status_code == 413 and "1M" in answer.json()["error"]["message"]


def test_a_file_up_to_the_limit_is_taken(tight: Kit) -> None:
    with tight.openai() as client, JFK.open("rb") as file:
        assert client.audio.transcriptions.create(model=MODEL, file=file).text


def test_a_head_that_is_too_large(tight: Kit) -> None:
    with tight.http() as client:
        answer = client.get("/whisper/v1/models", headers={"X-Large": "x" * 100_000})
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_request"


def test_plain_http_leads_to_https(tight: Kit) -> None:
    port = tight.ports["http"]
    status, _ = tight.curl("--output", "/dev/null", f"http://localhost:{port}/whisper/docs?a=b")
    assert status == 308
    _, where = tight.curl(
        "--output", "/dev/null", "--write-out", "%{redirect_url}\n0", f"http://localhost:{port}/a?b=c"
    )
    assert re.match(rf"{re.escape(tight.origin)}/a\?b=c", where)
    status, text = tight.curl(f"http://localhost:{tight.ports['https']}/whisper/docs")
    assert "https_required" in text and status == 400
