"""The calls of a voicemail server's clients, and what of an answer they may rely on."""

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
from transducer import Said, recording

from stt_testing import sounds

PATH = "/v1/audio/transcriptions"
PAIR = {"user_uuid": "550e8400-e29b-41d4-a716-446655440000", "message_id": "1712847495-00000002"}
MESSAGE = [Said(0, 0.5, 0.9), Said(2, 1.5, 1.9), Said(1, 2.5, 2.9)]
PATIENCE = 60.0


def message(seconds: float = 4.0) -> bytes:
    return sounds.wav(recording(seconds, MESSAGE) * 32767)


def shape(answer: httpx.Response) -> dict[str, Any]:
    """Its status, its sort, and the keys with the types of their values."""
    sort = answer.headers.get("content-type", "").split(";")[0]
    told: dict[str, Any] = {"status": answer.status_code, "type": sort}
    if sort == "application/json":
        told["keys"] = _keys(answer.json())
    return told


def _keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _keys(one) for key, one in sorted(value.items())}
    if isinstance(value, list):
        return [_keys(value[0])] if value else []
    return "number" if isinstance(value, float | int) and not isinstance(value, bool) else type(value).__name__


def ended(client: httpx.Client, job: str) -> httpx.Response:
    """Its status once it has ended, asked for as the plugin does."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = client.get(f"{PATH}/{job}")
        if answer.json().get("status") not in ("queued", "processing"):
            return answer
        assert time.monotonic() < end, answer.text
        time.sleep(0.1)


def calls(client: httpx.Client, url: str) -> Mapping[str, dict[str, Any]]:
    """The shapes of all answers. url: where the message can be fetched."""
    sound = {"file": ("message.wav", message())}
    told: dict[str, dict[str, Any]] = {}

    def note(name: str, answer: httpx.Response) -> httpx.Response:
        told[name] = shape(answer)
        return answer

    note("health", client.get("/health"))
    note("models", client.get("/v1/models"))
    note("queue", client.get(f"{PATH}/status"))
    note("lookup of nothing", client.get(f"{PATH}/lookup", params=PAIR))
    note("lookup without names", client.get(f"{PATH}/lookup"))
    job = note("submit", client.post(PATH, data=PAIR, files=sound)).json()["job_id"]
    note("job", ended(client, job))
    note("lookup", client.get(f"{PATH}/lookup", params=PAIR))
    note("submit again", client.post(PATH, data=PAIR, files=sound))
    for form in ("json", "text", "verbose_json", "srt", "vtt"):
        note(f"result as {form}", client.get(f"{PATH}/{job}/result", params={"response_format": form}))
    again = note("submit with force", client.post(PATH, data={**PAIR, "force": "true"}, files=sound)).json()["job_id"]
    assert again != job
    note("job that was forced", ended(client, again))
    other = {**PAIR, "message_id": "by url", "url": url}
    note("job by url", ended(client, note("submit by url", client.post(PATH, data=other)).json()["job_id"]))
    note("submit nothing", client.post(PATH, data={**PAIR, "message_id": "nothing"}))
    note("no such job", client.get(f"{PATH}/00000000-0000-4000-8000-000000000000"))
    note("no such result", client.get(f"{PATH}/00000000-0000-4000-8000-000000000000/result"))
    note("recordings", client.get("/v1/audio/recordings/status"))
    return told


if __name__ == "__main__":
    import sys

    with httpx.Client(base_url=sys.argv[1], timeout=PATIENCE) as here:
        print(json.dumps(calls(here, sys.argv[2]), indent=1))
