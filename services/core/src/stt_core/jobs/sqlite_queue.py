"""The queue on SQLite: the waiting rows of the jobs' own table, for the processes of one machine.

Every process holds a lock on a file of its own name. Whose lock is free is no more, however it ended, and the
kernel says so at once: no heartbeats, and no clock that has to agree.
"""

import asyncio
import fcntl
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from stt_core.jobs.attempts import Attempts
from stt_core.jobs.protocol import Handle

log = logging.getLogger("stt")

LOOK_SECONDS = 2.0
"""Between looks at what another process put, and at processes that are no more."""


class Alive:
    """The lock on the file that says that a process lives."""

    def __init__(self, folder: Path, owner: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._own = folder / owner
        self._number = os.open(self._own, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._number, fcntl.LOCK_EX)

    def gone(self, owner: str) -> bool:
        """Whether a process of that name is no more."""
        path = self._folder / owner
        if path == self._own:
            return False
        try:
            number = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(number)
        return True

    def sweep(self) -> None:
        """Remove the files of those that are no more."""
        for path in self._folder.iterdir():
            if self.gone(path.name):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        self._own.unlink(missing_ok=True)
        os.close(self._number)


class SqliteQueue:
    """See the port."""

    def __init__(self, attempts: Attempts, alive: Alive) -> None:
        self._attempts = attempts
        self._alive = alive
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._stopping = False
        self._busy = False

    def put(self, connection: Connection, identity: str, rank: int) -> None:
        """Nothing to do: a row that waits is in the queue."""

    def remove(self, connection: Connection, identities: Sequence[str]) -> None:
        """Nothing to do: a row that is not there, or waits no more, is not in the queue."""

    def wake(self) -> None:
        if self._loop is not None and not self._busy:  # whoever is busy looks when it is done with a job
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._news.set)

    def stop(self) -> None:
        self._stopping = True
        self._busy = False
        self.wake()

    async def serve(self, handle: Handle, together: int) -> None:
        self._loop = asyncio.get_running_loop()
        running: set[asyncio.Task[bool]] = set()
        looked = -LOOK_SECONDS
        # Nothing is in this process's hands yet: what it had when an error ended the last round waits again.
        await run_in_threadpool(self._attempts.take_back, self._attempts.owner)

        def ended(task: asyncio.Task[bool]) -> None:
            running.discard(task)
            self._news.set()

        while not self._stopping:
            self._news.clear()
            if self._loop.time() >= looked + LOOK_SECONDS:
                looked = self._loop.time()
                await run_in_threadpool(self.recover)
            while len(running) < together and not self._stopping:
                attempt = await run_in_threadpool(self._attempts.next)
                if attempt is None:
                    break
                task = asyncio.ensure_future(handle(attempt))
                running.add(task)
                task.add_done_callback(ended)
            self._busy = len(running) >= together and not self._stopping
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_SECONDS)
            self._busy = False
        await asyncio.gather(*running)

    def recover(self) -> None:
        """Put back the jobs of processes that are no more."""
        for owner in self._attempts.owners():
            if self._alive.gone(owner):
                count = self._attempts.take_back(owner)
                log.warning("%d jobs of a process that ended are in the queue again", count)
        self._alive.sweep()
