"""What the known voicemail server has transcribed, read out of its database. The file stays as it is."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from stt_core.errors import StartError
from stt_core.jobs.takeover import Past

TABLE = "transcriptions"
NEEDED = {"id", "user_uuid", "message_id", "status", "text", "duration", "error", "created_at", "completed_at"}
LATER = "last_lookup"
"""A column that its first versions did not have."""
UNKNOWN = "The transcription failed."


def present(path: Path) -> bool:
    """Whether there is anything to take over: a file that is not empty."""
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StartError(f"DB_PATH={path} cannot be read: {error.strerror}.") from None


def past(path: Path) -> Iterator[Past]:
    """Its transcriptions that have ended. Those it left `queued` are none: their recordings went with its process, and
    whoever asks for them again gets them done anew.

    Raises StartError for what is no such database.
    """
    try:
        # Not read-only: a process that was killed may have left a journal to be played back.
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=30)) as connection:
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({TABLE})")}
            if missing := NEEDED - columns:
                what = f"no table {TABLE}" if not columns else f"no column {min(missing)} in {TABLE}"
                raise StartError(f"DB_PATH={path} is the database of another program: it has {what}. {REMEDY}")
            looked = LATER if LATER in columns else "NULL"
            query = (
                "SELECT id, user_uuid, message_id, status, text, duration, error, created_at, completed_at, "
                f"{looked} FROM {TABLE} WHERE status IN ('completed', 'failed') ORDER BY created_at, id"
            )
            for row in connection.execute(query):
                yield _past(*row)
    except sqlite3.Error as error:
        raise StartError(f"DB_PATH={path} cannot be read: {error}. {REMEDY}") from None


REMEDY = "Name another file, or move this one away, and a new one is begun beside it."


def _past(
    identity: str,
    user: str,
    message: str,
    status: str,
    text: str | None,
    seconds: float | None,
    error: str | None,
    created: float,
    completed: float | None,
    looked: float | None,
) -> Past:
    done = status == "completed"
    at = [float(when) for when in (created, completed, looked) if when]
    return Past(
        str(identity),
        str(user),
        str(message),
        created_at=float(created or time.time()),
        ended_at=max(at, default=time.time()),
        text=text if done else None,
        seconds=float(seconds) if seconds is not None else None,
        error=None if done else error or UNKNOWN,
    )
