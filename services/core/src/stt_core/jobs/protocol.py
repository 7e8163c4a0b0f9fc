"""The queue's port: which job is next, and who gets it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from sqlalchemy import Connection

from stt_core.jobs.model import Attempt

Handle = Callable[[Attempt], Awaitable[bool]]
"""Works on a job. Whether it has brought it to its end: otherwise the job may wait in the queue again."""


class Queue(Protocol):
    """SQLite's is in the table of the jobs itself; PostgreSQL's is PgQueuer's, for several machines."""

    def put(self, connection: Connection, identity: str, rank: int) -> None:
        """A job waits from now on: part of the transaction that accepts it."""

    def remove(self, connection: Connection, identities: Sequence[str]) -> None:
        """They wait no more: part of the transaction that cancels or erases them."""

    def wake(self) -> None:
        """Look now: something was put. From any thread."""

    async def serve(self, handle: Handle, together: int) -> None:
        """Hand out jobs, so many at once, until `stop`; then wait for those that are handled."""

    def stop(self) -> None:
        """Hand out no more. From any thread."""
