"""Jobs over HTTP, kept in SQLite: handed in, looked up, cancelled, erased."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from toy import Toy

from stt_core.kind import Kind
from stt_core.settings import Settings
from stt_testing import sounds
from stt_testing.service import Service, serving, until

PATH = "/v1/audio/transcriptions"
USER = "550e8400-e29b-41d4-a716-446655440000"


@pytest.fixture
def engine() -> Toy:
    return Toy()


@pytest.fixture
def service(engine: Toy, tmp_path: Path) -> Iterator[Service]:
    with serving(Kind("Jobs", lambda: engine), settings(tmp_path)) as running:
        yield running


def settings(folder: Path, **more: Any) -> Settings:
    return Settings(port=0, model="toy", max_upload_bytes=4_000_000, jobs_dir=folder / "jobs", **more)


def pair(message: str) -> dict[str, str]:
    return {"user_uuid": USER, "message_id": message}


def submit(service: Service, message: str = "1", seconds: float = 2, **fields: str) -> dict[str, Any]:
    answer = service.post(sounds.clip(seconds), **pair(message), **fields)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def shown(service: Service, job: str) -> dict[str, Any]:
    body: dict[str, Any] = service.get(f"{PATH}/{job}").json()
    return body


def ended(service: Service, job: str) -> dict[str, Any]:
    until(lambda: shown(service, job)["status"] not in ("queued", "processing"), f"{job} has ended")
    return shown(service, job)


def test_a_pair_is_a_job_that_is_found_again(service: Service, engine: Toy) -> None:
    engine.gate.clear()
    first = submit(service)
    assert {**first, "job_id": "", "queue_position": 1} == {
        "job_id": "",
        "status": "queued",
        "queue_position": 1,
        "message": "Job queued. Position in queue: 1",
        "cached": False,
    }
    again = submit(service)
    assert again["job_id"] == first["job_id"] and again["cached"] is True
    assert again["status"] in ("queued", "processing")
    engine.gate.set()
    done = ended(service, first["job_id"])
    assert done == {
        "job_id": first["job_id"],
        "status": "completed",
        "queue_position": None,
        **pair("1"),
        "text": done["text"],
        "duration": 2.0,
        "error": None,
        "created_at": done["created_at"],
        "progress": 1.0,
        "eta_s": None,
        "attempts": 1,
    }
    assert done["text"] and isinstance(done["created_at"], int)
    assert submit(service) == {
        "job_id": first["job_id"],
        "status": "completed",
        "queue_position": None,
        "message": "Transcription already exists",
        "cached": True,
    }
    query = f"user_uuid={USER}&message_id=1"
    assert service.get(f"{PATH}/lookup?{query}").json() == {
        "found": True,
        **{key: done[key] for key in ("job_id", "status", "text", "duration", "error", "created_at")},
    }
    assert service.get(f"{PATH}/lookup?user_uuid={USER}&message_id=2").json() == {"found": False}
