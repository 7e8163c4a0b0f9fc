"""The jobs of a database: accepted, looked up, cancelled, erased."""

import threading
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, exc, func, select, update

from stt_core.engine.protocol import Transcript
from stt_core.jobs import pages, ranking, rows
from stt_core.jobs.database import Database
from stt_core.jobs.milestones import MILE, Milestones
from stt_core.jobs.model import PENDING, Audio, Bounds, Counts, Job, NewJob, Place, QueueFull, Status
from stt_core.jobs.protocol import Queue
from stt_core.jobs.tables import PAIRED, QUEUED, STATUS, deliveries, jobs, transcripts, windows

FRESH = 1.0
"""Seconds that counts of the whole table hold: counting a hundred thousand rows takes some ten milliseconds."""
RETRY_SECONDS = 30

SELECTED = select(jobs, transcripts.c.text.label("text")).outerjoin(transcripts, transcripts.c.job_id == jobs.c.id)
# Made once: making such a statement takes longer than running it, and hundreds of jobs may come in a second.
BY_ID = SELECTED.where(jobs.c.id == bindparam("id"))
BY_PAIR = SELECTED.where(PAIRED, jobs.c.user_uuid == bindparam("user"), jobs.c.message_id == bindparam("message"))
INSERTED = jobs.insert()
LAST = select(func.max(jobs.c.rank)).where(QUEUED, jobs.c.user_uuid == bindparam("user"))
BETWEEN = select(func.count(jobs.c.rank), func.sum(jobs.c.seconds)).where(
    QUEUED, jobs.c.rank < bindparam("rank"), jobs.c.rank >= bindparam("since")
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job, and whether it is new: a pair that was handed in before has its job already."""

    job: Job
    created: bool


@dataclass(frozen=True, slots=True)
class Erased:
    """What is to be removed from the disk once a job is gone. running: it was being processed."""

    id: str
    audio: Audio
    running: bool


class Store:
    """Every method may be called by any thread, and waits for the database."""

    def __init__(self, database: Database, queue: Queue, bounds: Bounds) -> None:
        self._database = database
        self._queue = queue
        self.bounds = bounds
        self._lock = threading.Lock()
        self._counted: tuple[float, Counts] | None = None
        self._pending: tuple[float, int] = (0.0, 0)  # counted when, and how many with those taken since
        self._milestones = Milestones(database)

    def accept(self, new: NewJob) -> Accepted:
        """The job of this pair, or a new one. Raises QueueFull and StorageFull; then nothing is kept."""

        def work(connection: Connection) -> Job:
            now = rows.now()
            self._check_room(connection, new.user_uuid, now)
            row = rows.new(new, ranking.rank(now, new.seconds, self._last(connection, new.user_uuid)), now)
            connection.execute(INSERTED, row)
            self._queue.put(connection, row["id"], row["rank"])
            return rows.accepted(row, new)

        try:
            job = self._database.write(work)
        except (exc.IntegrityError, QueueFull):  # its index keeps a pair from being there twice
            again = self.paired(new.user_uuid, new.message_id)
            if again is None:
                raise
            return Accepted(again, created=False)
        self._queue.wake()
        return Accepted(job, created=True)

    def job(self, identity: str) -> Job | None:
        return self._database.read(lambda connection: _first(connection, BY_ID, {"id": identity}))

    def paired(self, user_uuid: str, message_id: str) -> Job | None:
        """The job that was handed in under these names."""
        return self._database.read(lambda connection: self._paired(connection, user_uuid, message_id))

    def listed(self, status: Status | None, user_uuid: str, after: str, limit: int) -> list[Job]:
        """Jobs, the newest first; those that follow the one named by `after`, where it is given."""

        def work(connection: Connection) -> list[Job]:
            query = SELECTED
            if status:
                query = query.where(STATUS[status])
            if user_uuid:
                query = query.where(jobs.c.user_uuid == user_uuid)
            return [_job(row) for row in pages.newest(connection, query, jobs, after, limit)]

        return self._database.read(work)

    def place(self, job: Job) -> Place | None:
        """Where a waiting job stands; None for one that does not wait."""
        if job.status is not Status.QUEUED:
            return None
        before, ahead, since = 0, 0.0, -1
        if (miles := self._milestones.now()) and (at := bisect_right(miles, (job.rank, -1.0))):
            since, ahead = miles[at - 1]
            before = at * MILE
        between = {"since": since, "rank": job.rank}
        count, seconds = self._database.read(lambda connection: connection.execute(BETWEEN, between).one())
        return Place(before + int(count) + 1, ahead + float(seconds or 0))

    def counts(self) -> Counts:
        """How many jobs there are, as of a second ago at most."""
        now = rows.now()
        with self._lock:
            if self._counted and 0 <= now - self._counted[0] < FRESH:
                return self._counted[1]
        counts = self._database.read(lambda connection: Counts({each: _count(connection, each) for each in Status}))
        with self._lock:
            self._counted = now, counts
        return counts

    def pending(self) -> int:
        """How many jobs wait or are processed."""
        return self._database.read(_pending)

    def forget_counts(self) -> None:
        """Something has changed that somebody waits for."""
        with self._lock:
            self._counted = None

    def transcript(self, identity: str) -> Transcript | None:
        """What came of a job; None where there is nothing, or no more."""
        query = select(transcripts.c.content).where(transcripts.c.job_id == identity)
        content = self._database.read(lambda connection: connection.execute(query).scalar())
        return None if content is None else rows.transcript(content)

    def retry(self, identity: str) -> Job | None:
        """Put a failed or cancelled job, whose audio is still kept, back into the queue. None where it is none."""

        def work(connection: Connection) -> Job | None:
            now = rows.now()
            job = _first(connection, BY_ID, {"id": identity})
            if job is None or job.status not in (Status.FAILED, Status.CANCELLED):
                return None
            rank = ranking.rank(now, job.seconds, self._last(connection, job.user_uuid))
            again = {
                "status": Status.QUEUED.value, "rank": rank, "attempts": 0, "owner": "", "error": None,
                "error_code": None, "ended_at": None, "started_at": None, "progress": 0.0,
            }  # fmt: skip
            changed = connection.execute(
                update(jobs).where(jobs.c.id == identity, jobs.c.audio_deleted == 0).values(again)
            )
            if not changed.rowcount:
                return None
            self._queue.put(connection, identity, rank)
            return _one(connection, identity)

        job = self._database.write(work)
        self._queue.wake()
        return job

    def cancel(self, identity: str) -> Job | None:
        """End a job that waits or is processed; it stays, as cancelled. None where it is neither."""

        def work(connection: Connection) -> Job | None:
            changed = connection.execute(
                update(jobs)
                .where(jobs.c.id == identity, jobs.c.status.in_([status.value for status in PENDING]))
                .values(status=Status.CANCELLED.value, ended_at=rows.now(), owner="")
            )
            if not changed.rowcount:
                return None
            connection.execute(delete(windows).where(windows.c.job_id == identity))
            self._queue.remove(connection, [identity])
            return _one(connection, identity)

        return self._database.write(work)

    def erase(self, *identities: str) -> list[Erased]:
        """Remove jobs with all that came of them; their webhooks that are not delivered yet, too."""
        return self._database.write(lambda connection: self._erase(connection, jobs.c.id.in_(identities)))

    def erase_user(self, user_uuid: str) -> list[Erased]:
        """Remove all jobs of a user."""
        return self._database.write(lambda connection: self._erase(connection, jobs.c.user_uuid == user_uuid))

    def _erase(self, connection: Connection, which: Any) -> list[Erased]:
        doomed = [_job(row) for row in connection.execute(SELECTED.where(which))]
        identities = [job.id for job in doomed]
        self._queue.remove(connection, [job.id for job in doomed if not job.status.final])
        for start in range(0, len(identities), 500):
            some = identities[start : start + 500]
            for table in (transcripts, windows, deliveries):
                connection.execute(delete(table).where(table.c.job_id.in_(some)))
            connection.execute(delete(jobs).where(jobs.c.id.in_(some)))
        return [Erased(job.id, job.audio, job.status is Status.PROCESSING) for job in doomed]

    def _paired(self, connection: Connection, user_uuid: str, message_id: str) -> Job | None:
        if not (user_uuid and message_id):
            return None
        return _first(connection, BY_PAIR, {"user": user_uuid, "message": message_id})

    def _last(self, connection: Connection, user_uuid: str) -> int | None:
        """The rank of the last waiting job of a user."""
        if not user_uuid:
            return None
        return connection.execute(LAST, {"user": user_uuid}).scalar()

    def _check_room(self, connection: Connection, user_uuid: str, now: float) -> None:
        """Raises QueueFull."""
        limit = self.bounds.pending
        with self._lock:
            at, known = self._pending
            fresh = 0 <= now - at < FRESH and known < 0.9 * limit
            if fresh:
                self._pending = at, known + 1
        if not fresh:
            known = _pending(connection)
            with self._lock:
                self._pending = now, known + 1
            if known >= limit:
                raise QueueFull(
                    f"The queue is full: {limit} jobs wait already. Try again later.", retry_after=RETRY_SECONDS
                )
        if self.bounds.per_user and user_uuid:
            mine = _pending(connection, jobs.c.user_uuid == user_uuid)
            if mine >= self.bounds.per_user:
                raise QueueFull(
                    f"This user has {mine} jobs in the queue, and may have {self.bounds.per_user}. Try again later.",
                    retry_after=RETRY_SECONDS,
                )


def _job(row: "Row[Any]") -> Job:
    return rows.job(row, row.text)


def _first(connection: Connection, query: "Select[Any]", values: dict[str, str]) -> Job | None:
    row = connection.execute(query, values).first()
    return None if row is None else _job(row)


def _one(connection: Connection, identity: str) -> Job:
    job = _first(connection, BY_ID, {"id": identity})
    assert job is not None
    return job


def _pending(connection: Connection, *where: Any) -> int:
    """How many jobs wait or are processed."""
    return sum(_count(connection, status, *where) for status in PENDING)


def _count(connection: Connection, status: Status, *where: Any) -> int:
    return connection.execute(select(func.count()).select_from(jobs).where(STATUS[status], *where)).scalar() or 0
