"""The queue on PostgreSQL, for several machines: PgQueuer's."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import psycopg
from pgqueuer import Job, PgQueuer
from pgqueuer.db import PsycopgDriver
from pgqueuer.errors import RetryRequested
from pgqueuer.queries import Queries, SyncQueries
from psycopg.rows import dict_row
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from stt_core.jobs.attempts import Attempts
from stt_core.jobs.protocol import Handle

log = logging.getLogger("stt")

ENTRYPOINT = "transcribe"
HEARTBEAT = timedelta(seconds=60)
"""Without one for so long, a worker's job is another's. PgQueuer beats at half of it; a machine that is busy
transcribing may be late by seconds."""
AGAIN = timedelta(seconds=2)
"""Before a job that was given back is handed out again."""
EPOCH = 1_767_225_600
"""2026-01-01, in Unix seconds. PgQueuer's priorities are 32 bit and the highest comes first, so a job's is what is
left from its rank to here: in seconds, good until 2094."""


class _InTransaction:
    """PgQueuer's port for a connection, in the transaction that SQLAlchemy has begun on it."""

    def __init__(self, connection: Connection) -> None:
        self._connection: Any = connection.connection.driver_connection

    def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        cursor = psycopg.RawCursor(self._connection, row_factory=dict_row)
        cursor.execute(query, args or None)
        return cursor.fetchall()


class Connected(PsycopgDriver):
    """PgQueuer's driver with a connection for what it asks beside the one that it listens on.

    On a single one each question waits until listening is over, which is up to a second (PgQueuer 1.6).
    """

    def __init__(self, listening: psycopg.AsyncConnection, asking: psycopg.AsyncConnection) -> None:
        super().__init__(listening)
        self._asking = PsycopgDriver(asking)

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        return await self._asking.fetch(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        return await self._asking.execute(query, *args)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connected]:
    """url: as psycopg takes it."""
    async with (
        await psycopg.AsyncConnection.connect(url, autocommit=True) as listening,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as asking,
    ):
        yield Connected(listening, asking)


class PostgresQueue:
    """See the port. url: as psycopg takes it, with the schema that its tables are in."""

    def __init__(self, url: str, attempts: Attempts) -> None:
        self._url = url
        self._attempts = attempts
        self._stopping = threading.Event()
        self._manager: tuple[asyncio.AbstractEventLoop, PgQueuer] | None = None

    def put(self, connection: Connection, identity: str, rank: int) -> None:
        SyncQueries(_InTransaction(connection)).enqueue(
            ENTRYPOINT, identity.encode(), priority(rank), dedupe_key=identity, on_conflict="skip"
        )

    def remove(self, connection: Connection, identities: Sequence[str]) -> None:
        """Nothing to do: whoever is handed a job that waits no more leaves it."""

    def wake(self) -> None:
        """Nothing to do: PostgreSQL notifies all workers."""

    def stop(self) -> None:
        self._stopping.set()
        if self._manager is not None:
            loop, manager = self._manager
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(manager.shutdown.set)

    async def serve(self, handle: Handle, together: int) -> None:
        async with connected(self._url) as driver:
            manager = PgQueuer(driver)

            @manager.entrypoint(ENTRYPOINT)
            async def transcribe(job: Job) -> None:
                identity = (job.payload or b"").decode()
                attempt = await run_in_threadpool(self._attempts.begin, identity)
                if attempt is None:
                    return
                ended = await handle(attempt)
                if not ended and await run_in_threadpool(self._attempts.waits, identity):  # it was given back
                    raise RetryRequested(delay=AGAIN)

            self._manager = asyncio.get_running_loop(), manager
            if not self._stopping.is_set():
                await manager.run(
                    batch_size=max(1, together // 2), max_concurrent_tasks=together, heartbeat_timeout=HEARTBEAT
                )


def priority(rank: int) -> int:
    """PgQueuer's, of a rank in milliseconds of Unix time."""
    return EPOCH - rank // 1000


def install(url: str) -> None:
    """Make PgQueuer's tables, or bring them up to date. One process at a time: see schema.py."""

    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            queries = Queries(PsycopgDriver(connection))
            if await queries.schema_is_installed():
                await queries.upgrade()
            else:
                await queries.install(create_schema=False)

    asyncio.run(work())
