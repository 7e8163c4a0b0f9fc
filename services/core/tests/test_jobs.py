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


def test_async_is_a_job_of_any_request(service: Service) -> None:
    answer = service.post(sounds.clip(2), **{"async": "true"}, response_format="srt")
    assert answer.status_code == 202 and answer.json()["cached"] is False
    job = answer.json()["job_id"]
    assert answer.headers["location"] == f"./transcriptions/{job}"
    assert ended(service, job)["user_uuid"] is None
    preferred = httpx.post(
        service.url + "/v1/audio/translations",
        files={"file": ("a.wav", sounds.clip(2))},
        headers={"Prefer": "respond-async"},
    )
    assert preferred.status_code == 202
    assert ended(service, preferred.json()["job_id"])["text"] == "translated0"


def test_a_result_comes_in_the_format_that_was_asked_for_or_another(service: Service, engine: Toy) -> None:
    engine.gate.clear()
    job = submit(service, response_format="srt")["job_id"]
    until(lambda: shown(service, job)["status"] == "processing", "processing")
    early = service.get(f"{PATH}/{job}/result")
    assert early.status_code == 202
    assert early.json() == {"status": "processing", "message": "Job is still processing"}
    engine.gate.set()
    ended(service, job)
    direct = service.post(sounds.clip(2), response_format="srt")
    result = service.get(f"{PATH}/{job}/result")
    assert (result.text, result.headers["content-type"]) == (direct.text, direct.headers["content-type"])
    assert "-->" in result.text
    for wanted in ("json", "text", "vtt"):
        direct = service.post(sounds.clip(2), response_format=wanted)
        assert service.get(f"{PATH}/{job}/result?response_format={wanted}").text == direct.text
    worded = "verbose_json", ["segment", "word"]
    direct = service.post(sounds.clip(2), response_format=worded[0], timestamp_granularities__=worded[1])
    verbose = service.get(f"{PATH}/{job}/result?response_format=verbose_json").json()
    assert verbose["segments"] and verbose["text"] == direct.json()["text"]
    wrong = service.get(f"{PATH}/{job}/result?response_format=docx")
    assert wrong.status_code == 400 and wrong.json()["error"]["param"] == "response_format"


def test_force_erases_and_does_it_again(service: Service) -> None:
    first = submit(service)["job_id"]
    ended(service, first)
    again = submit(service, force="true")
    assert again["cached"] is False and again["job_id"] != first
    assert service.get(f"{PATH}/{first}").status_code == 404
    assert ended(service, again["job_id"])["status"] == "completed"


def test_two_submissions_of_one_pair_at_once_are_one_job(service: Service, engine: Toy) -> None:
    engine.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: submit(service), range(8)))
    engine.gate.set()
    assert len({body["job_id"] for body in bodies}) == 1
    assert [body["cached"] for body in bodies].count(False) == 1


def test_jobs_are_listed_page_by_page(service: Service) -> None:
    jobs = [submit(service, str(number))["job_id"] for number in range(5)]
    for job in jobs:
        ended(service, job)
    found: list[str] = []
    after = ""
    while True:
        page = service.get(f"{PATH}?status=completed&user_uuid={USER}&limit=2&after={after}").json()
        found += [one["job_id"] for one in page["data"]]
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert found == jobs[::-1]
    assert service.get(f"{PATH}?user_uuid=nobody").json() == {
        "object": "list", "data": [], "has_more": False, "last_id": None,
    }  # fmt: skip
    assert service.get(f"{PATH}?status=lost").status_code == 400


def test_a_job_is_erased_with_its_recording(service: Service, engine: Toy, tmp_path: Path) -> None:
    recordings = tmp_path / "jobs" / "recordings"
    engine.gate.clear()
    running, waiting = submit(service, "1")["job_id"], submit(service, "2")["job_id"]
    assert len(list(recordings.iterdir())) == 2
    for job in (running, waiting):
        gone = httpx.delete(f"{service.url}{PATH}/{job}")
        assert gone.json() == {"job_id": job, "deleted": True}
        assert service.get(f"{PATH}/{job}").status_code == 404
    assert not list(recordings.iterdir())
    assert httpx.delete(f"{service.url}{PATH}/{running}").status_code == 404
    engine.gate.set()
    third = submit(service, "3")["job_id"]
    ended(service, third)
    assert httpx.delete(f"{service.url}{PATH}", params={"user_uuid": USER}).json() == {"deleted": 1}
    until(lambda: not list(recordings.iterdir()), "no recording is left")


def test_a_cancelled_job_stays_and_can_be_tried_again(service: Service, engine: Toy) -> None:
    engine.gate.clear()
    submit(service, "1")
    second = submit(service, "2", seconds=2)["job_id"]
    cancelled = httpx.post(f"{service.url}{PATH}/{second}/cancel").json()
    assert cancelled["status"] == "cancelled"
    result = service.get(f"{PATH}/{second}/result")
    assert result.status_code == 400 and result.json()["error"]["code"] == "job_cancelled"
    assert httpx.post(f"{service.url}{PATH}/{second}/cancel").status_code == 409
    engine.gate.set()


def test_the_recording_is_deleted_when_the_job_is_done(service: Service, tmp_path: Path) -> None:
    ended(service, submit(service)["job_id"])
    until(lambda: not list((tmp_path / "jobs" / "recordings").iterdir()), "the recording is deleted")
    until(lambda: not (tmp_path / "jobs" / "wake_at").exists(), "nothing is left to wake for")


def test_the_wake_file_is_there_while_jobs_are_left(service: Service, engine: Toy, tmp_path: Path) -> None:
    engine.gate.clear()
    job = submit(service)["job_id"]
    assert float((tmp_path / "jobs" / "wake_at").read_text()) == 0
    status = service.get("/status").json()
    assert status["wake_at"] == 0 and sum(status["jobs"].values()) == 1
    health = service.get("/health").json()
    assert health["db_stats"] == {"total": 1, "completed": 0, "failed": 0, "pending": 1}
    queue = service.get(f"{PATH}/status").json()
    assert queue["max_queue_size"] == 1000 and (queue["processing"] or queue["queue_length"] == 1)
    engine.gate.set()
    ended(service, job)


def test_bad_input_names_its_field(service: Service) -> None:
    clip = sounds.clip(2)
    half = service.post(clip, user_uuid=USER)
    assert half.status_code == 400 and half.json()["error"]["param"] == "message_id"
    long = service.post(clip, user_uuid=USER, message_id="m" * 10_000)
    assert long.status_code == 400 and long.json()["error"]["param"] == "message_id"
    noise = service.post(b"no sound at all", **pair("9"))
    assert noise.status_code == 400 and noise.json()["error"]["code"] == "invalid_audio"
    unknown = service.post(clip, **pair("9"), response_format="docx")
    assert unknown.status_code == 400 and unknown.json()["error"]["param"] == "response_format"
    callback = service.post(clip, **pair("9"), callback_url="ftp://example.org")
    assert callback.status_code == 400 and callback.json()["error"]["param"] == "callback_url"
    assert service.get(f"{PATH}/lookup?user_uuid={USER}&message_id=9").json() == {"found": False}
    assert service.get(f"{PATH}/lookup?user_uuid={USER}").json()["error"]["param"] == "message_id"
    missing = service.get(f"{PATH}/nothing")
    assert missing.status_code == 404 and missing.json()["error"]["code"] == "job_not_found"


def test_a_full_queue_says_when_to_come_back(engine: Toy, tmp_path: Path) -> None:
    engine.gate.clear()
    with serving(Kind("Jobs", lambda: engine), settings(tmp_path, jobs_pending=2, jobs_per_user=1)) as service:
        submit(service, "1")
        mine = service.post(sounds.clip(2), **pair("2"))
        assert mine.status_code == 429 and int(mine.headers["retry-after"]) > 0
        assert service.post(sounds.clip(2), **{"async": "true"}).status_code == 202
        full = service.post(sounds.clip(2), **{"async": "true"})
        assert full.status_code == 429 and full.json()["error"]["code"] == "queue_full"
        assert len(list((tmp_path / "jobs" / "recordings").iterdir())) == 2
        engine.gate.set()


def test_events_bring_state_progress_and_text(service: Service, engine: Toy) -> None:
    engine.gate.clear()
    job = submit(service)["job_id"]
    with httpx.stream("GET", f"{service.url}{PATH}/{job}/events", timeout=60) as answer:
        lines = answer.iter_lines()
        first = next(line for line in lines if line.startswith("data: "))
        assert json.loads(first.removeprefix("data: "))["status"] in ("queued", "processing")
        engine.gate.set()
        rest = [line.removeprefix("data: ") for line in lines if line.startswith("data: {")]
    told = [json.loads(line) for line in rest]
    assert [one["status"] for one in told if "status" in one][-1] == "completed"
    assert told[-1] == {
        "type": "transcript.text.done",
        "text": shown(service, job)["text"],
        "languages": [{"code": "en"}],
    }


def test_a_job_that_fails_says_why_in_a_sentence(service: Service, engine: Toy) -> None:
    engine.poison = "bad"
    job = submit(service, prompt="bad")["job_id"]
    failed = ended(service, job)
    assert failed["status"] == "failed" and failed["attempts"] == 3
    assert failed["error"] == "The transcription failed inside the service; its log says why."
    engine.poison = None
    again = httpx.post(f"{service.url}{PATH}/{job}/retry").json()
    assert again["status"] == "queued"
    assert ended(service, job)["status"] == "completed"


def test_without_a_folder_there_are_no_jobs(engine: Toy) -> None:
    with serving(Kind("Jobs", lambda: engine), Settings(port=0, model="toy")) as service:
        assert service.post(sounds.clip(2)).status_code == 200
        refused = service.post(sounds.clip(2), **pair("1"))
        assert refused.status_code == 503 and refused.json()["error"]["code"] == "jobs_unavailable"
        assert service.get(f"{PATH}/status").status_code == 503


def test_what_waits_is_done_after_a_restart(engine: Toy, tmp_path: Path) -> None:
    engine.gate.clear()
    kind = Kind("Jobs", lambda: engine)
    with serving(kind, settings(tmp_path)) as service:
        jobs = [submit(service, str(number))["job_id"] for number in range(12)]
        until(lambda: service.get(f"{PATH}/status").json()["processing"], "some are processed")
        threading.Timer(0.5, engine.gate.set).start()
    assert float((tmp_path / "jobs" / "wake_at").read_text()) == 0
    with serving(kind, settings(tmp_path)) as service:
        for job in jobs:
            body = ended(service, job)
            assert (body["status"], body["attempts"]) == ("completed", 1)


def test_a_deployments_model_is_the_jobs(engine: Toy, tmp_path: Path) -> None:
    more = settings(tmp_path, models=("other",))
    with serving(Kind("Jobs", lambda: engine), more) as service:
        path = "/openai/deployments/other/audio/transcriptions"
        job = service.post(sounds.clip(2), path=path, **{"async": "true"}).json()["job_id"]
        assert ended(service, job)["status"] == "completed"
        assert engine.asked is not None and engine.asked.model == "other"
