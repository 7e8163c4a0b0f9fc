"""A folder of recordings, put through a service as jobs: what was handed in goes on there while nobody waits for it."""

import errno
import hashlib
import os
import queue
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy import reading
from deploy.client import transcribe
from deploy.client.endpoints import Callee
from deploy.client.jobs import Document, Jobs, Refused, Stopped
from deploy.client.recordings import Recording
from deploy.client.transcribe import Wish
from deploy.errors import HOST, KitError
from deploy.reporting import Bar, Reporter
from deploy.types import Secret

USER = "greffier-transcribe"
"""The user_uuid of these jobs; message_id is a digest of the recording and of what is wanted. So a recording that was
handed in before is not sent again."""
TOGETHER = 8
"""Recordings that are sent or waited for at once: enough that a service always has the next."""
LOOK_SECONDS = 1.0
CHUNK = 1 << 20


class _Gone(Exception):
    """The service has no transcript of a job any more: it has to be done again."""


@dataclass
class _Progress:
    """done: the share of each recording, 0 to 1, by its place in the list."""

    bar: Bar
    recordings: Sequence[Recording]
    ended: int = 0
    done: dict[int, float] = field(default_factory=dict)

    def update(self, number: int, share: float) -> None:
        self.done[number] = share
        total = sum(recording.size for recording in self.recordings)
        size = sum(self.recordings[each].size * part for each, part in self.done.copy().items())
        self.bar.update(int(size), total, f"{self.ended} of {len(self.recordings)} files")


def run(callee: Callee, recordings: Sequence[Recording], wish: Wish, key: Secret, report: Reporter) -> list[KitError]:
    """Write the transcript of each; returns what failed. Raises KitError where nothing can be done at all, and
    KeyboardInterrupt."""
    stop = threading.Event()
    with callee.client() as http:
        with report.step(f"Asking {callee.name}, which may have to wake"):
            kept = Jobs(callee, http, key).kept()  # who cannot be reached at the beginning is told at once
        jobs = Jobs(callee, http, key, patient=True, stop=stop)
        if not kept:
            report.say(f"{callee.name} keeps no jobs: the files are sent one after the other.")
            return _one_by_one(callee, recordings, wish, key, report)
        with report.step(f"Transcribing {len(recordings)} {'file' if len(recordings) == 1 else 'files'}") as bar:
            progress = _Progress(bar, recordings)
            try:
                return _together(_Batch(callee, jobs, wish, stop, progress), recordings, report)
            finally:
                stop.set()


def _together(batch: "_Batch", recordings: Sequence[Recording], report: Reporter) -> list[KitError]:
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(recordings)):
        todo.put(number)
    ended: queue.SimpleQueue[tuple[int, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        while True:
            try:
                number = todo.get_nowait()
            except queue.Empty:
                return
            try:
                batch.transcribe(number, recordings[number])
                ended.put((number, None))
            except Stopped:
                return
            except BaseException as error:  # told by whoever waits
                ended.put((number, error))

    # Daemons: Ctrl-C does not wait for an upload.
    for _ in range(min(TOGETHER, len(recordings))):
        threading.Thread(target=work, daemon=True).start()
    failed = []
    for _ in recordings:
        number, error = ended.get()
        recording = recordings[number]
        batch.progress.ended += 1
        batch.progress.update(number, 1.0)
        if isinstance(error, KitError):
            failed.append(_told(recording, error, report))
        elif error:
            raise error
        else:
            report.say(f"Wrote {recording.transcript}.")
    return failed


class _Batch:
    """What all recordings of a folder have in common."""

    def __init__(self, callee: Callee, jobs: Jobs, wish: Wish, stop: threading.Event, progress: _Progress) -> None:
        self._jobs, self._stop, self.progress = jobs, stop, progress
        self._fields = transcribe.fields(callee, wish)

    def transcribe(self, number: int, recording: Recording) -> None:
        """One recording to its transcript on the disk. Raises KitError and Stopped."""
        pair = {"user_uuid": USER, "message_id": self._message(recording)}
        known = self._jobs.lookup(pair["user_uuid"], pair["message_id"])
        job = self._again(known, recording, pair) if known else self._sent(recording, pair, force=False)
        try:
            text = self._result(number, job)
        except _Gone:
            text = self._result(number, self._sent(recording, pair, force=True))
        write(recording.transcript, text)

    def _again(self, job: Document, recording: Recording, pair: dict[str, str]) -> Document:
        """A job of before: one that failed is tried once more."""
        if job["status"] not in ("failed", "cancelled"):
            return job
        try:
            return self._jobs.retry(job["job_id"])
        except Refused as error:
            if error.status not in (404, 409):
                raise
            return self._sent(recording, pair, force=True)

    def _sent(self, recording: Recording, pair: dict[str, str], *, force: bool) -> Document:
        fields = {**self._fields, **pair, **({"force": "true"} if force else {})}
        try:
            with os.fdopen(reading.opened(recording.path), "rb") as file:

                def body() -> dict[str, Any]:
                    file.seek(0)
                    return {"data": fields, "files": {"file": (recording.path.name, _Stoppable(file, self._stop))}}

                return self._jobs.submit(body)
        except OSError as error:
            raise transcribe.unreadable(str(recording.path), error) from None

    def _result(self, number: int, job: Document) -> str:
        """Wait for a job and take its transcript. Raises _Gone where there is none any more."""
        identity = str(job["job_id"])
        try:
            while job["status"] not in ("completed", "failed", "cancelled"):
                if self._stop.wait(LOOK_SECONDS):
                    raise Stopped
                job = self._jobs.show(identity)
                self.progress.update(number, float(job.get("progress") or 0.0))
            if job["status"] != "completed":
                reason = self._jobs.show(identity).get("error") or f"its job was {job['status']}"
                raise KitError(str(reason), code=HOST)
            return self._jobs.result(identity).text
        except Refused as error:
            if error.status == 404:
                raise _Gone from None
            raise

    def _message(self, recording: Recording) -> str:
        digest = hashlib.sha256(repr(sorted(self._fields.items())).encode())
        try:
            with os.fdopen(reading.opened(recording.path), "rb") as file:
                while piece := file.read(CHUNK):
                    digest.update(piece)
                    if self._stop.is_set():
                        raise Stopped
        except OSError as error:
            raise transcribe.unreadable(str(recording.path), error) from None
        return digest.hexdigest()


class _Stoppable:
    """A file that is not read to its end where nobody waits any more."""

    def __init__(self, file: Any, stop: threading.Event) -> None:
        self._file, self._stop = file, stop
        self.seek, self.tell, self.fileno = file.seek, file.tell, file.fileno

    def read(self, size: int = -1) -> bytes:
        if self._stop.is_set():
            raise Stopped
        data: bytes = self._file.read(size)
        return data


def _one_by_one(
    callee: Callee, recordings: Sequence[Recording], wish: Wish, key: Secret, report: Reporter
) -> list[KitError]:
    failed = []
    for recording in recordings:
        try:
            write(recording.transcript, transcribe.run(callee, str(recording.path), wish, key, report))
            report.say(f"Wrote {recording.transcript}.")
        except KitError as error:
            failed.append(_told(recording, error, report))
    return failed


def _told(recording: Recording, error: KitError, report: Reporter) -> KitError:
    report.warn(f"{recording.path}: {error.message} {error.hint}".rstrip())
    return error


def write(path: Path, text: str) -> None:
    """Write a transcript whole or not at all: what is there under its name is finished. Raises KitError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            with part.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if path.exists():  # written by somebody else meanwhile
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise KitError(f"{path} cannot be written: {error.strerror}.", code=HOST) from None
