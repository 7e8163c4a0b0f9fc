"""Batches: many requests in a file, each of which becomes a job when there is room for it."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, select, update

from stt_core.jobs import pages, rows
from stt_core.jobs.batch_lines import Line, Mistake
from stt_core.jobs.database import Database
from stt_core.jobs.model import FINAL, Status
from stt_core.jobs.tables import batch_items, batches, jobs

BatchStatus = Literal["in_progress", "completed", "failed", "cancelling", "cancelled"]
OPEN = ("in_progress", "cancelling")


@dataclass(frozen=True, slots=True)
class Batch:
    """window: as it was asked for; a batch goes on until it is done. errors: what is wrong with its lines."""

    id: str
    status: BatchStatus
    endpoint: str
    window: str
    metadata: Mapping[str, str]
    errors: Sequence[Mapping[str, Any]]
    input_file_id: str
    output_file_id: str | None
    error_file_id: str | None
    total: int
    created_at: float
    cancelling_at: float | None
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class Item:
    """A line of a batch. job_id: once it has become a job. tries: of fetching its recording, that failed."""

    batch_id: str
    number: int
    custom_id: str
    body: Mapping[str, Any]
    job_id: str | None
    failed: Mapping[str, Any] | None
    tries: int


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """Items by what became of them."""

    completed: int
    failed: int
    pending: int
    waiting: int
    """Of `pending`, those that are no jobs yet."""


class Batches:
    """host: the address of this service, which makes jobs of the batches that it took."""

    def __init__(self, database: Database, host: str) -> None:
        self._database = database
        self._host = host

    def add(
        self,
        input_file_id: str,
        endpoint: str,
        window: str,
        metadata: Mapping[str, str],
        lines: Sequence[Line],
        mistakes: Sequence[Mistake],
    ) -> Batch:
        """A new batch; one with mistakes has failed at once."""
        identity, now = f"batch_{uuid.uuid4().hex}", rows.now()
        row = {
            "id": identity, "status": "failed" if mistakes else "in_progress", "endpoint": endpoint, "window": window,
            "metadata": json.dumps(metadata, ensure_ascii=False), "host": self._host, "created_at": now,
            "errors": json.dumps([mistake.as_told() for mistake in mistakes], ensure_ascii=False),
            "input_file_id": input_file_id, "total": len(lines), "ended_at": now if mistakes else None,
        }  # fmt: skip
        items = [
            {"batch_id": identity, "number": number, "custom_id": line.custom_id,
             "body": json.dumps(line.body, ensure_ascii=False)}
            for number, line in enumerate(lines, 1)
        ]  # fmt: skip

        def work(connection: Connection) -> None:
            connection.execute(batches.insert(), row)
            if items and not mistakes:
                connection.execute(batch_items.insert(), items)

        self._database.write(work)
        added = self.one(identity)
        assert added is not None
        return added

    def one(self, identity: str) -> Batch | None:
        query = select(batches).where(batches.c.id == identity)
        row = self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else _batch(row)

    def listed(self, after: str, limit: int) -> list[Batch]:
        """The newest first; those that follow the one named by `after`, where it is given."""

        def work(connection: Connection) -> list[Batch]:
            return [_batch(row) for row in pages.newest(connection, select(batches), batches, after, limit)]

        return self._database.read(work)

    def open(self) -> list[Batch]:
        """Those of this service that are not done."""
        query = select(batches).where(batches.c.status.in_(OPEN), batches.c.host == self._host)
        query = query.order_by(batches.c.created_at)
        return [_batch(row) for row in self._database.read(lambda connection: connection.execute(query).all())]

    def cancel(self, identity: str) -> Batch | None:
        """None where it is over already, or not there."""
        values = {"status": "cancelling", "cancelling_at": rows.now()}
        query = update(batches).where(batches.c.id == identity, batches.c.status == "in_progress").values(values)
        changed = self._database.write(lambda connection: connection.execute(query).rowcount)
        return self.one(identity) if changed else None

    def counts(self, identity: str) -> BatchCounts:
        items, known = batch_items.c, jobs.c
        query = (
            select(items.job_id.is_(None), items.failed.is_(None), known.status, func.count())
            .select_from(batch_items.outerjoin(jobs, known.id == items.job_id))
            .where(items.batch_id == identity)
            .group_by(items.job_id.is_(None), items.failed.is_(None), known.status)
        )
        completed = failed = pending = waiting = 0
        for jobless, unfailed, status, count in self._database.read(lambda c: c.execute(query).all()):
            if not unfailed:
                failed += count
            elif jobless:
                pending, waiting = pending + count, waiting + count
            elif status == Status.COMPLETED.value:
                completed += count
            elif status is None or status in [final.value for final in FINAL]:
                failed += count  # a job that was erased, too
            else:
                pending += count
        return BatchCounts(completed, failed, pending, waiting)

    def waiting(self, identity: str, limit: int) -> list[Item]:
        """The next ones that are to become jobs."""
        items = batch_items.c
        where = (items.batch_id == identity, items.job_id.is_(None), items.failed.is_(None))
        query = select(batch_items).where(*where).order_by(items.tries, items.number).limit(limit)
        return [_item(row) for row in self._database.read(lambda connection: connection.execute(query).all())]

    def items(self, identity: str, after: int, limit: int) -> list[Item]:
        items = batch_items.c
        query = select(batch_items).where(items.batch_id == identity, items.number > after)
        query = query.order_by(items.number).limit(limit)
        return [_item(row) for row in self._database.read(lambda connection: connection.execute(query).all())]

    def note(self, item: Item, **values: Any) -> None:
        """What became of an item: `job_id`, `failed` or `tries`."""
        where = (batch_items.c.batch_id == item.batch_id, batch_items.c.number == item.number)
        changed = update(batch_items).where(*where).values(values)
        self._database.write(lambda connection: connection.execute(changed).rowcount, durable=False)

    def end(self, batch: Batch, output_file_id: str | None, error_file_id: str | None) -> None:
        values = {
            "status": "cancelled" if batch.status == "cancelling" else "completed",
            "output_file_id": output_file_id, "error_file_id": error_file_id, "ended_at": rows.now(),
        }  # fmt: skip
        query = update(batches).where(batches.c.id == batch.id).values(values)
        self._database.write(lambda connection: connection.execute(query).rowcount)

    def delete_old(self, before: float, limit: int) -> int:
        """Those that ended before a moment; how many there were."""
        old = select(batches.c.id).where(batches.c.ended_at <= before).limit(limit)

        def work(connection: Connection) -> int:
            identities = connection.execute(old).scalars().all()
            connection.execute(delete(batch_items).where(batch_items.c.batch_id.in_(identities)))
            connection.execute(delete(batches).where(batches.c.id.in_(identities)))
            return len(identities)

        return self._database.write(work)


def _batch(row: "Row[Any]") -> Batch:
    return Batch(
        row.id, row.status, row.endpoint, row.window, json.loads(row.metadata), json.loads(row.errors),
        row.input_file_id, row.output_file_id, row.error_file_id, row.total, row.created_at, row.cancelling_at,
        row.ended_at,
    )  # fmt: skip


def _item(row: "Row[Any]") -> Item:
    failed = None if row.failed is None else json.loads(row.failed)
    return Item(row.batch_id, row.number, row.custom_id, json.loads(row.body), row.job_id, failed, row.tries)
