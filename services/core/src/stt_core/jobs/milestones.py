"""Ranks along the queue whose place is known, so that another's is found without counting all before it."""

import threading
from collections.abc import Sequence

from sqlalchemy import func, select

from stt_core.jobs import rows
from stt_core.jobs.database import Database
from stt_core.jobs.tables import QUEUED, jobs

MILE = 1000
"""Waiting jobs between two of them."""
FRESH_SECONDS = 1.0
STALE_SECONDS = 5.0
"""Older ones are not used. In between they are, while others are made: that takes a tenth of a second for a hundred
thousand jobs."""

Found = Sequence[tuple[int, float]]
"""(rank, seconds of audio before it) of every MILE-th waiting job, in the order of the queue."""


class Milestones:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._found: Found = ()
        self._at = 0.0
        self._making = False

    def now(self) -> Found:
        """Those of some seconds ago at most."""
        age = rows.now() - self._at
        if not 0 <= age < STALE_SECONDS:
            self._make()
        elif age >= FRESH_SECONDS:
            with self._lock:
                making, self._making = self._making, True
            if not making:
                threading.Thread(target=self._make_beside, name="jobs-milestones", daemon=True).start()
        return self._found

    def _make_beside(self) -> None:
        try:
            self._make()
        finally:
            self._making = False

    def _make(self) -> None:
        at = rows.now()
        number = func.row_number().over(order_by=jobs.c.rank).label("number")
        through = func.sum(jobs.c.seconds).over(order_by=jobs.c.rank, rows=(None, 0))
        counted = select(jobs.c.rank, number, (through - jobs.c.seconds).label("ahead")).where(QUEUED).subquery()
        query = (
            select(counted.c.rank, counted.c.ahead)
            .where(counted.c.number % MILE == 1, counted.c.number > MILE)
            .order_by(counted.c.number)
        )
        found = self._database.read(lambda connection: connection.execute(query).all())
        self._found, self._at = [(int(rank), float(ahead)) for rank, ahead in found], at
