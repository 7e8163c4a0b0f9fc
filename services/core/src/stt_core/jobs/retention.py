"""What is deleted when its time is over."""

import logging
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Executable, delete, select, update

from stt_core.jobs import rows
from stt_core.jobs.batches import Batches
from stt_core.jobs.database import Database
from stt_core.jobs.files import Files
from stt_core.jobs.model import FINAL, Status
from stt_core.jobs.recordings import Recordings
from stt_core.jobs.store import Store
from stt_core.jobs.tables import KEPT, deliveries, files, jobs

log = logging.getLogger("stt")

FAILED_SECONDS = 7 * 86400.0
"""How long the recording of a failed job is kept, so that it can be tried again."""
DELIVERED_SECONDS = 7 * 86400.0
DEAD_SECONDS = 30 * 86400.0
"""How long a webhook that could not be delivered is listed."""
ORPHAN_SECONDS = 3600.0
"""A recording without a job is one whose submission broke off; before that, it may be about to get its job."""
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Keep:
    """Seconds after a job's end. transcripts 0: for ever."""

    audio: float = 0.0
    transcripts: float = 30 * 86400.0


class Retention:
    """`run` from time to time; `run_audio` also as soon as a job has ended."""

    def __init__(
        self, database: Database, store: Store, recordings: Recordings, files: Files, batches: Batches, keep: Keep
    ) -> None:
        self._database = database
        self._store = store
        self._recordings = recordings
        self._files = files
        self._batches = batches
        self._keep = keep

    def run(self) -> None:
        """Delete all whose time is over."""
        self.run_audio()
        now = rows.now()
        while self._keep.transcripts and self._old_jobs(now - self._keep.transcripts) == AT_ONCE:
            pass
        if self._keep.transcripts:
            self._old_files(now - self._keep.transcripts)
        self._old_webhooks(now)
        self._orphans(now)

    def run_audio(self) -> None:
        """Delete the recordings whose time is over."""
        while self._old_audio(rows.now()) >= AT_ONCE:
            pass

    def _old_audio(self, now: float) -> int:
        """Recordings of this machine's; how many there were."""
        doomed = [
            row
            for status, seconds in (
                (Status.COMPLETED, self._keep.audio),
                (Status.CANCELLED, self._keep.audio),
                (Status.FAILED, max(self._keep.audio, FAILED_SECONDS)),
            )
            for row in self._ended(status, now - seconds)
        ]
        for _, name in doomed:
            self._recordings.delete(name)
        identities = [identity for identity, _ in doomed]
        if identities:
            gone = update(jobs).where(jobs.c.id.in_(identities)).values(audio_deleted=1)
            self._database.write(lambda connection: connection.execute(gone).rowcount, durable=False)
        return len(doomed)

    def _ended(self, status: Status, before: float) -> list[tuple[str, str]]:
        query = (
            select(jobs.c.id, jobs.c.audio_name)
            .where(
                jobs.c.status == status.value,
                KEPT,
                jobs.c.ended_at <= before,
                jobs.c.audio_host == self._recordings.address,
            )
            .limit(AT_ONCE)
        )
        return [(row.id, row.audio_name) for row in self._database.read(lambda c: c.execute(query).all())]

    def _old_jobs(self, before: float) -> int:
        query = select(jobs.c.id).where(jobs.c.status.in_([s.value for s in FINAL]), jobs.c.ended_at <= before)
        identities = self._database.read(lambda c: c.execute(query.limit(AT_ONCE)).scalars().all())
        for erased in self._store.erase(*identities) if identities else ():
            self._recordings.delete(erased.audio.name)
        return len(identities)

    def _old_files(self, before: float) -> None:
        """Batches, and files that were uploaded or written, as long as the transcripts of their time."""
        while self._batches.delete_old(before, AT_ONCE) == AT_ONCE:
            pass
        for identity in self._files.older(before, AT_ONCE):
            self._files.delete(identity)

    def _old_webhooks(self, now: float) -> None:
        def work(connection: Connection) -> None:
            for status, seconds in (("delivered", DELIVERED_SECONDS), ("dead", DEAD_SECONDS)):
                connection.execute(
                    delete(deliveries).where(deliveries.c.status == status, deliveries.c.created_at <= now - seconds)
                )

        self._database.write(work, durable=False)

    def _orphans(self, now: float) -> None:
        names = list(self._recordings.names(older=now - ORPHAN_SECONDS))
        for start in range(0, len(names), AT_ONCE):
            some = names[start : start + AT_ONCE]
            query = select(jobs.c.audio_name).where(jobs.c.audio_name.in_(some), jobs.c.audio_deleted == 0)
            both = query.union(select(files.c.audio_name).where(files.c.audio_name.in_(some)))
            for name in set(some) - self._database.read(partial(_named, both)):
                self._recordings.delete(name)
                log.info("a recording without a job was deleted")


def _named(query: Executable, connection: Connection) -> set[Any]:
    return set(connection.execute(query).scalars())
