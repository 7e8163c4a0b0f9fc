"""Jobs that another server has done, taken over into the tables: once, and all or none of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from stt_core.engine.protocol import Segment, Transcript
from stt_core.jobs import rows
from stt_core.jobs.database import Database
from stt_core.jobs.model import Status
from stt_core.jobs.tables import jobs, takeovers, transcripts

TOGETHER = 500
"""Rows of one statement."""
FORM = "transcriptions"


@dataclass(frozen=True, slots=True)
class Past:
    """A job that has ended elsewhere; its recording is not there any more.

    text: None where it was deleted, or the job failed; then `error` says why. seconds: of the recording.
    ended_at: when it ended, or was last asked for: its time to be kept runs from then on.
    """

    id: str
    user_uuid: str
    message_id: str
    created_at: float
    ended_at: float
    text: str | None = None
    seconds: float | None = None
    error: str | None = None


def take_over(database: Database, source: str, past: Callable[[], Iterable[Past]]) -> int | None:
    """How many jobs of a source were taken over now; None where that was done before.

    past: reads them; called where they are wanted. A pair or an id that there is a job of already stays that job's.
    What `past` raises is raised, and nothing is taken over then.
    """

    def work(connection: Connection) -> int | None:
        known = select(takeovers.c.source).where(takeovers.c.source == source)
        if connection.execute(known).first():
            return None
        taken = 0
        for some in _some(past()):
            taken += _put(connection, some)
        entry = {"source": source, "jobs": taken, "created_at": rows.now()}
        connection.execute(insert(takeovers).values(entry))
        return taken

    return database.write(work)


def _put(connection: Connection, some: list[Past]) -> int:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(jobs).on_conflict_do_nothing().returning(jobs.c.id)
    new = set(connection.execute(statement, [_row(one) for one in some]).scalars())
    texts = [
        {"job_id": one.id, "text": one.text.strip(), "content": rows.transcript_json(_transcript(one, one.text))}
        for one in some
        if one.id in new and one.text is not None
    ]
    if texts:
        connection.execute(insert(transcripts), texts)
    return len(new)


def _row(one: Past) -> dict[str, Any]:
    failed = one.error is not None
    return {
        "id": one.id,
        "status": (Status.FAILED if failed else Status.COMPLETED).value,
        "user_uuid": one.user_uuid,
        "message_id": one.message_id,
        "form": FORM,
        "fields": "{}",
        "audio_name": "",
        "audio_size": 0,
        "audio_sha256": "",
        "audio_deleted": 1,
        "seconds": one.seconds or 0.0,
        "rank": 0,
        "created_at": one.created_at,
        "ended_at": one.ended_at,
        "duration": one.seconds,
        "progress": 0.0 if failed else 1.0,
        "attempts": 1,
        "error": one.error,
        "error_code": "job_failed" if failed else None,
    }


def _transcript(one: Past, text: str) -> Transcript:
    seconds = one.seconds or 0.0
    said = text.strip()
    return Transcript(None, seconds, (Segment(0.0, seconds, f" {said}"),) if said else ())


def _some(past: Iterable[Past]) -> Iterator[list[Past]]:
    left = iter(past)
    while some := list(islice(left, TOGETHER)):
        yield some
