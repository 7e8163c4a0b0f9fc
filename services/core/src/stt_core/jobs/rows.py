"""Rows of the tables as values, and values as JSON. Pure."""

import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked
from sqlalchemy import Row

from stt_core.engine.protocol import Transcript, WindowResult
from stt_core.jobs.model import Audio, Job, NewJob, Request, Status

_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


@checked(config=_config)
class _Whole:
    """A transcript; the configuration of how bytes are written holds for all that is in it."""

    transcript: Transcript


@checked(config=_config)
class _Window:
    result: WindowResult


_WHOLE, _WINDOW = TypeAdapter(_Whole), TypeAdapter(_Window)


def transcript_json(transcript: Transcript) -> str:
    return _WHOLE.dump_json(_Whole(transcript)).decode()


def transcript(content: str) -> Transcript:
    return _WHOLE.validate_json(content).transcript


def result_json(result: WindowResult) -> str:
    return _WINDOW.dump_json(_Window(result)).decode()


def result(content: str) -> WindowResult:
    return _WINDOW.validate_json(content).result


def new(asked: NewJob, rank: int, now: float) -> dict[str, Any]:
    """The row of a job that is accepted now."""
    return {
        "id": str(uuid.uuid4()),
        "status": Status.QUEUED.value,
        "user_uuid": asked.user_uuid,
        "message_id": asked.message_id,
        "form": asked.request.form,
        "fields": json.dumps(asked.request.fields, ensure_ascii=False),
        "audio_name": asked.audio.name,
        "audio_size": asked.audio.size,
        "audio_sha256": asked.audio.sha256,
        "audio_host": asked.audio.host,
        "seconds": asked.seconds,
        "rank": rank,
        "callback_url": asked.callback_url,
        "created_at": now,
    }


def accepted(row: Mapping[str, Any], asked: NewJob) -> Job:
    """The job of a row as `new` makes it."""
    return Job(
        id=row["id"],
        status=Status.QUEUED,
        request=asked.request,
        audio=asked.audio,
        seconds=asked.seconds,
        rank=row["rank"],
        created_at=row["created_at"],
        user_uuid=asked.user_uuid,
        message_id=asked.message_id,
        callback_url=asked.callback_url,
    )


def job(row: Row[Any], text: str | None = None) -> Job:
    """text: of its transcript, where that is wanted and there."""
    return Job(
        id=row.id,
        status=Status(row.status),
        request=Request(row.form, json.loads(row.fields)),
        audio=Audio(row.audio_name, row.audio_size, row.audio_sha256, row.audio_host),
        seconds=row.seconds,
        rank=row.rank,
        created_at=row.created_at,
        user_uuid=row.user_uuid,
        message_id=row.message_id,
        callback_url=row.callback_url,
        started_at=row.started_at,
        ended_at=row.ended_at,
        duration=row.duration,
        progress=row.progress,
        attempts=row.attempts,
        owner=row.owner,
        text=text,
        error=row.error,
        error_code=row.error_code,
    )


def notice(job: Job, status: Status, now: float, transcript: Transcript | None, error: str | None) -> str:
    """The body of the webhook that tells of a job's end, as JSON."""
    told = {
        "type": f"transcription.{status.value}",
        "timestamp": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": {
            "job_id": job.id,
            "status": status.value,
            "user_uuid": job.user_uuid or None,
            "message_id": job.message_id or None,
            "text": None if transcript is None else transcript.text,
            "duration": None if transcript is None else transcript.duration,
            "error": error,
            "created_at": job.created_at,
        },
    }
    return json.dumps(told, ensure_ascii=False)


def now() -> float:
    return time.time()
