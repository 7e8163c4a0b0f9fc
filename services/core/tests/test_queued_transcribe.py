"""Jobs in the vocabulary of the WhisperX guide's queue."""

from collections.abc import Iterable
from pathlib import Path

from fastapi import APIRouter
from test_jobs import settings
from toy import Toy

from stt_core.http import queued_transcribe
from stt_core.http.intake import Intake
from stt_core.http.jobs import Desk
from stt_core.kind import Kind
from stt_core.settings import Settings
from stt_testing import sounds
from stt_testing.service import serving, until


def routers(intake: Intake, desk: Desk, settings: Settings) -> Iterable[APIRouter]:
    return (queued_transcribe.router(intake, desk, settings.jobs_queue),)


def test_from_the_queue_to_the_result(tmp_path: Path) -> None:
    engine = Toy()
    kind = Kind("Queue", lambda: engine, routers, job_forms=queued_transcribe.job_forms)
    with serving(kind, settings(tmp_path)) as service:
        engine.gate.clear()
        queued = service.post(sounds.clip(2), path="/transcribe/async", diarize="true", language="en").json()
        assert queued.keys() == {"job_id", "status", "message", "queue_position", "estimated_wait"}
        assert queued["status"] in ("queued", "started") and queued["estimated_wait"] > 0
        job = queued["job_id"]
        until(lambda: service.get(f"/transcribe/status/{job}").json()["status"] == "started", "started")
        until(lambda: service.get("/queue/stats").json()["started"] == 1, "counted as started")
        assert service.get("/queue/stats").json() == {
            "queue_name": "jobs", "queued": 0, "workers": 1, "failed": 0, "finished": 0, "started": 1,
        }  # fmt: skip
        assert service.get(f"/job/{job}").json() == {
            "job_id": job, "status": "processing", "progress": 0, "result": None, "error": None,
        }  # fmt: skip
        engine.gate.set()
        until(lambda: service.get(f"/transcribe/status/{job}").json()["status"] == "finished", "finished")
        done = service.get(f"/transcribe/status/{job}").json()
        assert done["created_at"] <= done["started_at"] <= done["ended_at"] and done["error"] is None
        assert done["result"]["text"] == "second0" and done["result"]["metadata"]["language"] == "en"
        assert done["result"]["segments"][0]["speaker"] and done["result"]["segments"][0]["words"]
        assert service.get(f"/job/{job}").json()["result"] == done["result"]
        assert service.get(f"/job/{job}").json()["progress"] == 100
        engine.poison = "bad"
        assert service.get("/job/nothing").status_code == 404
        wrong = service.post(sounds.clip(2), path="/transcribe/async", language="zz")
        assert wrong.status_code == 400 and wrong.json()["error"]["param"] == "language"
