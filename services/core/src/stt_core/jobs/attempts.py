"""A job in a worker's hands, from its beginning to its end."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from stt_core.engine.protocol import Transcript
from stt_core.errors import ApiError
from stt_core.jobs import rows
from stt_core.jobs.database import Database
from stt_core.jobs.model import PENDING, Attempt, Job, Status
from stt_core.jobs.outbox import Outbox
from stt_core.jobs.tables import PROCESSING, QUEUED, jobs, transcripts, windows
from stt_core.scheduling.transcription import Heard

TRIES = 3
"""Attempts at a job whose service fails or ends over it: one that ends it every time must not do so for ever."""
LONGEST_ERROR = 1000
"""Characters of what is kept of an error."""


TAKEN = (
    update(jobs)
    .where(
        jobs.c.id == bindparam("identity"),
        jobs.c.status.in_([status.value for status in PENDING]),
        jobs.c.attempts < TRIES,
    )
    .values(
        status=Status.PROCESSING.value,
        owner=bindparam("by"),
        attempts=jobs.c.attempts + 1,
        started_at=bindparam("now"),
    )
    .returning(jobs)
)
KEPT = transcripts.insert()


class Attempts:
    """owner: this worker's name, one for each start of a process."""

    def __init__(self, database: Database, outbox: Outbox, owner: str, fingerprint: str) -> None:
        """fingerprint: of what windows depend on beside the job, such as the version: others' are not gone on with."""
        self._database = database
        self._outbox = outbox
        self.owner = owner
        self._fingerprint = fingerprint
        self._windowed: set[str] = set()
        """Jobs that have windows, as far as this process has seen."""

    def begin(self, identity: str) -> Attempt | None:
        """Take a job that waits, or whose worker was lost. None where it is nobody's to take any more.

        One that was begun too often fails here.
        """
        return self._database.write(lambda connection: self.take(connection, identity), durable=False)

    def next(self) -> Attempt | None:
        """Take the job that is next in the queue."""

        def work(connection: Connection) -> Attempt | None:
            while True:
                identity = connection.execute(select(jobs.c.id).where(QUEUED).order_by(jobs.c.rank).limit(1)).scalar()
                if identity is None:
                    return None
                if attempt := self.take(connection, identity):
                    return attempt

        return self._database.write(work, durable=False)

    def take(self, connection: Connection, identity: str) -> Attempt | None:
        row = connection.execute(TAKEN, {"identity": identity, "by": self.owner, "now": rows.now()}).first()
        if row is not None:
            return Attempt(rows.job(row), self.owner, row.attempts)
        row = connection.execute(select(jobs).where(jobs.c.id == identity).with_for_update()).first()
        job = None if row is None else rows.job(row)
        if job is not None and not job.status.final:
            message = f"The service ended {job.attempts} times while it worked on this job, so it is not tried again."
            values = _ended(Status.FAILED, message, "attempts_exhausted")
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(values))
            self._follow(connection, job, values)
        return None

    def heard(self, identity: str) -> dict[int, Heard]:
        """The windows of a job that this or an earlier attempt was done with, by index."""
        query = select(windows).where(windows.c.job_id == identity).order_by(windows.c.number)
        found = self._database.read(lambda connection: connection.execute(query).all())
        if found:
            self._windowed.add(identity)
        kept = {}
        for row in found:
            content = json.loads(row.content)
            if content["by"] == self._fingerprint:
                kept[row.number] = Heard(row.number, row.start, row.end, rows.result(content["result"]))
        return kept

    def checkpoint(self, attempt: Attempt, heard: Sequence[Heard], progress: float) -> bool:
        """Keep windows that are done. False where the job is not this attempt's any more."""

        def work(connection: Connection) -> bool:
            if not self._mine(connection, attempt, {"progress": progress}):
                return False
            numbers = [one.index for one in heard]
            if heard:
                self._windowed.add(attempt.job.id)
                same = (windows.c.job_id == attempt.job.id, windows.c.number.in_(numbers))
                connection.execute(delete(windows).where(*same))
                connection.execute(windows.insert(), [self._window(attempt, one) for one in heard])
            return True

        return self._database.write(work, durable=False)

    def finish(self, attempt: Attempt, transcript: Transcript) -> bool:
        """Keep what came of the job. False where it is not this attempt's any more, and nothing is kept."""
        content = rows.transcript_json(transcript)

        def work(connection: Connection) -> bool:
            values = {**_ended(Status.COMPLETED), "duration": transcript.duration, "progress": 1.0}
            if not self._mine(connection, attempt, values):
                return False
            row = {"job_id": attempt.job.id, "text": transcript.text, "content": content}
            connection.execute(KEPT, row)
            self._follow(connection, attempt.job, values, transcript)
            return True

        return self._database.write(work)

    def fail(self, attempt: Attempt, error: ApiError) -> bool:
        """The job failed for good. False as in `finish`."""

        def work(connection: Connection) -> bool:
            values = _ended(Status.FAILED, " ".join(error.message.split())[:LONGEST_ERROR], error.code)
            if not self._mine(connection, attempt, values):
                return False
            self._follow(connection, attempt.job, values)
            return True

        return self._database.write(work)

    def release(self, attempt: Attempt, *, counts: bool) -> bool:
        """Give a job back to the queue, where it keeps its rank. counts: as an attempt. False as in `finish`."""

        def work(connection: Connection) -> bool:
            number = attempt.number if counts else attempt.number - 1
            values = {"status": Status.QUEUED.value, "owner": "", "attempts": number}
            return self._mine(connection, attempt, values)

        return self._database.write(work, durable=False)

    def waits(self, identity: str) -> bool:
        """Whether a job is in the queue."""
        query = select(jobs.c.id).where(jobs.c.id == identity, QUEUED)
        return self._database.read(lambda connection: connection.execute(query).scalar()) is not None

    def owners(self) -> set[str]:
        """Workers that have jobs in their hands."""
        query = select(jobs.c.owner).where(PROCESSING).distinct()
        return set(self._database.read(lambda connection: connection.execute(query).scalars().all()))

    def take_back(self, owner: str) -> int:
        """The jobs of a worker that is no more wait again; how many those are."""
        where = (PROCESSING, jobs.c.owner == owner)

        def work(connection: Connection) -> int:
            changed = connection.execute(update(jobs).where(*where).values(status=Status.QUEUED.value, owner=""))
            return int(changed.rowcount)

        return self._database.write(work, durable=False)

    def _mine(self, connection: Connection, attempt: Attempt, values: dict[str, Any]) -> bool:
        """Change a job where it is still in this attempt's hands."""
        where = (
            jobs.c.id == attempt.job.id,
            jobs.c.owner == attempt.owner,
            jobs.c.attempts == attempt.number,
            jobs.c.status == Status.PROCESSING.value,
        )
        changed = connection.execute(update(jobs).where(*where).values(values))
        return bool(changed.rowcount)

    def _follow(
        self, connection: Connection, job: Job, ended: Mapping[str, Any], transcript: Transcript | None = None
    ) -> None:
        """What follows a job's end, in the same transaction: its windows go, and a webhook tells of it."""
        if job.attempts > 1 or job.id in self._windowed:
            connection.execute(delete(windows).where(windows.c.job_id == job.id))
            self._windowed.discard(job.id)
        if job.callback_url:
            body = rows.notice(job, Status(ended["status"]), ended["ended_at"], transcript, ended["error"])
            self._outbox.enqueue(connection, job.id, job.callback_url, body, ended["ended_at"])

    def _window(self, attempt: Attempt, one: Heard) -> dict[str, Any]:
        content = json.dumps({"by": self._fingerprint, "result": rows.result_json(one.result)})
        return {"job_id": attempt.job.id, "number": one.index, "start": one.start, "end": one.end, "content": content}


def _ended(status: Status, error: str | None = None, error_code: str | None = None) -> dict[str, Any]:
    return {"status": status.value, "owner": "", "ended_at": rows.now(), "error": error, "error_code": error_code}
