"""A service's jobs: everything of this room put together."""

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO

from pydantic import BaseModel

from stt_core import __version__
from stt_core.audio import length
from stt_core.engine.models import Models
from stt_core.errors import NotFound, StartError
from stt_core.jobs import rows, schema, sharing
from stt_core.jobs.attempts import Attempts
from stt_core.jobs.batches import Batches
from stt_core.jobs.database import Database, Postgres, Sqlite
from stt_core.jobs.delivery import Delivery
from stt_core.jobs.files import Files
from stt_core.jobs.model import Audio, Bounds, Counts, Job, NewJob, Place, Request
from stt_core.jobs.outbox import Outbox, Webhook
from stt_core.jobs.pace import Pace
from stt_core.jobs.protocol import Queue
from stt_core.jobs.recordings import Recordings
from stt_core.jobs.retention import Keep, Retention
from stt_core.jobs.runner import Runner
from stt_core.jobs.signature import Secret
from stt_core.jobs.sqlite_queue import Alive, SqliteQueue
from stt_core.jobs.store import Accepted, Erased, Store
from stt_core.jobs.takeover import Past, take_over
from stt_core.jobs.waking import WakeFile
from stt_core.scheduling.scheduler import Scheduler
from stt_core.scheduling.transcription import Heard
from stt_core.settings import Settings

log = logging.getLogger("stt")

REFRESH_SECONDS = 2.0
"""Between looks at what is left to do, for the wake file."""
RETENTION_SECONDS = 60.0
FEED_SECONDS = 1.0
"""Between looks at the batches, for those whose jobs have ended and room for more."""
NOW = 0.0
"""In the wake file: there is work already."""


class JobService:
    """Started with the web server, stopped with it. Its methods wait for disk and database: not on an event loop."""

    def __init__(
        self, settings: Settings, scheduler: Scheduler, models: Models, forms: Mapping[str, type[BaseModel]]
    ) -> None:
        """forms: by name, those that jobs may be handed in with. Raises StartError."""
        assert settings.jobs_dir is not None
        folder = settings.jobs_dir
        _made(folder)
        self.limit = settings.jobs_pending
        self._longest = settings.max_audio_seconds
        self._pace = Pace()
        self._wake = WakeFile(folder)
        self._key = settings.jobs_key
        self.recordings = Recordings(folder / "recordings", settings.jobs_address)
        owner = uuid.uuid4().hex
        fingerprint = f"{__version__} {settings.compute_type}"
        self._alive: Alive | None = None
        if settings.database_url:
            from stt_core.jobs import postgres_queue  # slow to import, and wanted by few

            postgres = Postgres(settings.database_url, settings.jobs_queue)
            self._database: Database = postgres
            schema.upgrade(postgres.engine, folder, lambda: postgres_queue.install(postgres.plain_url))
            self.outbox = Outbox(postgres, owner)
            self._attempts = Attempts(postgres, self.outbox, owner, fingerprint)
            self._queue: Queue = postgres_queue.PostgresQueue(postgres.plain_url, self._attempts)
        else:
            sqlite = Sqlite(folder / "jobs.sqlite3")
            self._database = sqlite
            schema.upgrade(sqlite.engine, folder)
            self._alive = Alive(folder / "owners", owner)
            self.outbox = Outbox(sqlite, owner)
            self._attempts = Attempts(sqlite, self.outbox, owner, fingerprint)
            self._queue = SqliteQueue(self._attempts, self._alive)
        self.store = Store(self._database, self._queue, Bounds(settings.jobs_pending, settings.jobs_per_user))
        self.files = Files(self._database, self.recordings)
        self.batches = Batches(self._database, settings.jobs_address)
        keep = Keep(settings.jobs_keep_audio, settings.jobs_keep_transcripts)
        self._retention = Retention(self._database, self.store, self.recordings, self.files, self.batches, keep)
        self.delivery = Delivery(
            self.outbox,
            _secret(settings),
            settings.url_allow,
            settings.url_insecure,
            authority=settings.url_authority,
        )
        self.callback_url = settings.webhook_url
        self._runner = Runner(scheduler, models, self._attempts, self._queue, self._open, forms, self._ended)
        self._stopping = threading.Event()
        self._feed: Callable[[], None] = lambda: None
        self._news = threading.Event()
        self._feeding = threading.Thread(target=self._keep_feeding, name="jobs-batches", daemon=True)
        self._housekeeping = threading.Thread(target=self._keep_house, name="jobs-house", daemon=True)

    def start(self) -> None:
        self._runner.start()
        self.delivery.start()
        self._housekeeping.start()
        self._feeding.start()

    def feed_by(self, feed: Callable[[], None]) -> None:
        """feed: makes jobs of the batches' items as there is room; called again and again."""
        self._feed = feed

    def feed(self) -> None:
        """A batch came, or is to be cancelled."""
        self._news.set()

    def stop(self) -> None:
        """Take no more, and give back what is in hand. May be called by a signal's handler."""
        self._stopping.set()
        self._news.set()
        self._runner.stop()

    def close(self) -> None:
        """Wait until all is given back and written down."""
        self.stop()
        self._runner.join()
        self.delivery.stop()
        for thread in (self._feeding, self._housekeeping):
            if thread.ident is not None:
                thread.join()
        self.refresh_wake()
        if self._alive:
            self._alive.close()
        self._database.close()

    def accept(
        self, file: IO[bytes], request: Request, user_uuid: str, message_id: str, callback_url: str, *, force: bool
    ) -> Accepted:
        """Keep a recording and its job; once this returns, neither is lost. The file stays the caller's.

        Of a pair that is there already its job, unless `force`: then that is erased, and done again. Raises
        AudioError for what is no sound, QueueFull and StorageFull; then nothing is kept.
        """
        seconds = length.declared(file)
        length.check(seconds, self._longest)
        self._wake.write(NOW)
        audio = self.recordings.save(file)
        new = NewJob(request, audio, seconds, user_uuid, message_id, callback_url or self.callback_url)
        try:
            if force and (before := self.store.paired(user_uuid, message_id)):
                self.erase(before.id)
            accepted = self.store.accept(new)
        except BaseException:
            self.recordings.delete(audio.name)
            raise
        if not accepted.created:
            self.recordings.delete(audio.name)
        return accepted

    def take_over(self, source: str, past: Callable[[], Iterable[Past]]) -> int | None:
        """How many jobs of another server's are taken over now; None where that was done before. Raises what `past`
        raises."""
        return take_over(self._database, source, past)

    def erase(self, *identities: str) -> int:
        """Remove jobs with all that came of them; how many there were."""
        return self._gone(lambda: self.store.erase(*identities))

    def erase_user(self, user_uuid: str) -> int:
        """Remove all jobs of a user; how many there were."""
        return self._gone(lambda: self.store.erase_user(user_uuid))

    def cancel(self, identity: str) -> Job | None:
        """End a job; None where it has ended already."""
        job = self.store.cancel(identity)
        self._runner.cancel(identity)
        return job

    def retry(self, identity: str) -> Job | None:
        """Try a failed or cancelled job again; None where it is none, or its recording is gone."""
        self._wake.write(NOW)
        return self.store.retry(identity)

    def resend(self, identity: str) -> Webhook | None:
        """Send a webhook again; None where there is none of that id."""
        again = self.outbox.resend(identity)
        self.delivery.wake()
        return again

    def heard(self, identity: str, start: int) -> list[Heard]:
        """The windows of a job that is processed, from one on, as far as none is missing between them."""
        known = self._attempts.heard(identity)
        run = []
        while start in known:
            run.append(known[start])
            start += 1
        return run

    def waits(self, job: Job, place: Place | None) -> float | None:
        """Seconds until a job is done, as far as can be told from its place; None for one that has ended."""
        if job.status.final:
            return None
        left = job.seconds * (1 - job.progress)
        return round(self._pace.takes((place.ahead if place else 0.0) + left), 1)

    def counts(self) -> Counts:
        return self.store.counts()

    @property
    def wake_at(self) -> float | None:
        """From when on there is work; None where none is left."""
        if self.store.pending() or self.batches.open():
            return NOW
        return self.outbox.next_due()

    def refresh_wake(self) -> None:
        self._wake.write(self.wake_at)

    def _gone(self, erase: Callable[[], list[Erased]]) -> int:
        erased = erase()
        for one in erased:
            if one.running:
                self._runner.cancel(one.id)
            if one.audio.host == self.recordings.address:
                self.recordings.delete(one.audio.name)
        return len(erased)

    async def _open(self, job: Job) -> IO[bytes]:
        return await self.open(job.audio)

    async def open(self, audio: Audio) -> IO[bytes]:
        """What is kept of a recording or a file, wherever it lies; the caller closes it. Raises ApiError."""
        if audio.host != self.recordings.address:
            return await sharing.pulled(audio, self._key)
        try:
            return self.recordings.open(audio)
        except FileNotFoundError:
            raise NotFound("The recording of this job is not on the disk any more.", code="recording_lost") from None

    def _ended(self, job: Job) -> None:
        self.store.forget_counts()
        if job.started_at is not None:
            self._pace.learn(job.seconds, job.started_at, rows.now())
        if job.callback_url:
            self.delivery.wake()
        self._retention.run_audio()

    def _keep_feeding(self) -> None:
        while not self._stopping.is_set():
            self._news.clear()
            try:
                if self.batches.open():
                    self._wake.write(NOW)
                    self._feed()
            except Exception:
                log.exception("the batches cannot be looked at")
            self._news.wait(FEED_SECONDS)

    def _keep_house(self) -> None:
        since = RETENTION_SECONDS
        while True:
            try:
                self.refresh_wake()
                if since >= RETENTION_SECONDS:
                    since = 0.0
                    self._retention.run()
            except Exception:
                log.exception("the jobs' house cannot be kept")
            if self._stopping.wait(REFRESH_SECONDS):
                return
            since += REFRESH_SECONDS


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StartError(f"Jobs cannot be kept in {folder}: {error.strerror}. Set STT_JOBS_DIR.") from None


def _secret(settings: Settings) -> Secret | None:
    """Raises StartError."""
    if not settings.webhook_secret:
        return None
    try:
        return Secret.parsed(settings.webhook_secret)
    except ValueError as error:
        raise StartError(f"STT_WEBHOOK_SECRET cannot be used: {error}.") from None
