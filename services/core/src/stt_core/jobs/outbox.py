"""The webhooks that are to be sent: written down with the end of their job, deleted long after they were delivered."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, func, select, update

from stt_core.jobs import pages, rows
from stt_core.jobs.database import Database
from stt_core.jobs.tables import PENDING, deliveries

DeliveryStatus = Literal["pending", "delivered", "dead"]

BACKOFF = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 21_600, 37_200)
"""Seconds after each failed try until the next: a day in all. After the last one the webhook is dead."""
JITTER = 0.1
"""Of a pause, at most: whoever was down is not called by all at the same moment."""
LEASE_SECONDS = 120.0
"""For one try: a sender that ends in the middle of it is taken over after that."""
LONGEST_ERROR = 300
"""Characters of what is kept of an error."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One message to one receiver. id: the webhook-id. attempts: tries that failed. due_at: of the next one."""

    id: str
    job_id: str
    url: str
    body: str
    status: DeliveryStatus
    attempts: int
    created_at: float
    due_at: float
    error: str | None = None


def pause(failed: int, spread: float) -> float | None:
    """Seconds until the next try after so many that failed; None where there is none. spread: 0 to 1. Pure."""
    if failed > len(BACKOFF):
        return None
    return BACKOFF[failed - 1] * (1 + JITTER * spread)


class Outbox:
    """Of one database, which several senders may share: each message has one sender at a time."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner

    def enqueue(self, connection: Connection, job_id: str, url: str, body: str, now: float) -> None:
        """A message to be sent: part of the transaction that ends its job."""
        row = {
            "id": f"msg_{uuid.uuid4().hex}", "job_id": job_id, "url": url, "body": body, "status": "pending",
            "created_at": now, "due_at": now,
        }  # fmt: skip
        connection.execute(deliveries.insert().values(row))

    def claim(self, limit: int) -> list[Webhook]:
        """Messages that are due, and this sender's for LEASE_SECONDS."""
        now = rows.now()

        def work(connection: Connection) -> list[Webhook]:
            due = (
                select(deliveries)
                .where(PENDING, deliveries.c.due_at <= now)
                .order_by(deliveries.c.due_at)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            claimed = [_webhook(row) for row in connection.execute(due)]
            lease = {"due_at": now + LEASE_SECONDS, "owner": self._owner}
            connection.execute(update(deliveries).where(deliveries.c.id.in_([one.id for one in claimed])).values(lease))
            return claimed

        return self._database.write(work, durable=False) if self._any_due(now) else []

    def delivered(self, identity: str) -> None:
        """The receiver has it."""
        self._change(identity, {"status": "delivered", "error": None})

    def failed(self, webhook: Webhook, error: str, *, after: float | None = None, final: bool = False) -> None:
        """A try failed. after: seconds that the receiver asks to wait. final: it wants no more."""
        tries = webhook.attempts + 1
        wait = None if final else pause(tries, random.random())
        values: dict[str, Any] = {"attempts": tries, "error": error[:LONGEST_ERROR]}
        if wait is None:
            values["status"] = "dead"
        else:
            values["due_at"] = rows.now() + max(wait, after or 0.0)
        self._change(webhook.id, values)

    def listed(self, status: DeliveryStatus | None, after: str, limit: int) -> list[Webhook]:
        """The newest first; those that follow the one named by `after`, where it is given."""

        def work(connection: Connection) -> list[Webhook]:
            query = select(deliveries)
            if status:
                query = query.where(deliveries.c.status == status)
            return [_webhook(row) for row in pages.newest(connection, query, deliveries, after, limit)]

        return self._database.read(work)

    def resend(self, identity: str) -> Webhook | None:
        """Send a message again, now, with all its tries; None where there is none of that id."""

        def work(connection: Connection) -> Webhook | None:
            values = {"status": "pending", "attempts": 0, "due_at": rows.now(), "error": None}
            connection.execute(update(deliveries).where(deliveries.c.id == identity).values(values))
            row = connection.execute(select(deliveries).where(deliveries.c.id == identity)).first()
            return None if row is None else _webhook(row)

        return self._database.write(work)

    def next_due(self) -> float | None:
        """When the next try is, in Unix time; None where nothing is to be sent."""
        query = select(func.min(deliveries.c.due_at)).where(PENDING)
        return self._database.read(lambda connection: connection.execute(query).scalar())

    def _any_due(self, now: float) -> bool:
        due = self.next_due()
        return due is not None and due <= now

    def _change(self, identity: str, values: dict[str, Any]) -> None:
        """What becomes of a message that is this sender's."""
        where: Sequence[Any] = (deliveries.c.id == identity, deliveries.c.owner == self._owner, PENDING)
        self._database.write(lambda c: c.execute(update(deliveries).where(*where).values(values)).rowcount)


def _webhook(row: Any) -> Webhook:
    return Webhook(
        row.id, row.job_id, row.url, row.body, row.status, row.attempts, row.created_at, row.due_at, row.error
    )
