"""The store's queries on SQLite: that they find what they should, by an index."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, insert

from stt_core.jobs import milestones, rows, schema, store
from stt_core.jobs.attempts import Attempts
from stt_core.jobs.database import Sqlite, sqlite_engine
from stt_core.jobs.model import Audio, Bounds, NewJob, Request, Status
from stt_core.jobs.outbox import Outbox
from stt_core.jobs.pace import Pace
from stt_core.jobs.sqlite_queue import Alive, SqliteQueue
from stt_core.jobs.store import Store
from stt_core.jobs.tables import jobs, metadata

COUNT = 500


def test_the_pace_is_that_of_the_jobs_side_by_side() -> None:
    pace = Pace()
    assert pace.takes(10) == pytest.approx(2)
    for number in range(200):  # two at once, each of a minute of audio in six seconds of work
        pace.learn(60, 3.0 * number, 3.0 * number + 6)
    assert pace.takes(60) == pytest.approx(3, rel=0.01)
    for number in range(200):  # with rests between them, which are no work
        pace.learn(60, 1000.0 + 500 * number, 1006.0 + 500 * number)
    assert pace.takes(60) == pytest.approx(6, rel=0.01)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Sqlite]:
    database = Sqlite(tmp_path / "jobs.sqlite3")
    schema.upgrade(database.engine, tmp_path)
    yield database
    database.close()


@pytest.fixture
def filled(database: Sqlite, tmp_path: Path) -> Iterator[Store]:
    """Five hundred jobs that wait, in no order, and as many that are done."""
    alive = Alive(tmp_path / "owners", "test")
    attempts = Attempts(database, Outbox(database, "test"), "test", "test")
    chance = random.Random(16)
    made = []
    for number in range(2 * COUNT):
        audio = Audio("0" * 32, 1, "0" * 64)
        asked = NewJob(Request("transcriptions", {}), audio, chance.uniform(1, 600), f"user-{number % 7}", str(number))
        row = rows.new(asked, chance.randrange(10**6) * 2 * COUNT + number, 1000.0 + number)
        made.append(row | {"status": (Status.QUEUED if number < COUNT else Status.COMPLETED).value})

    def fill(connection: Connection) -> None:
        connection.execute(insert(jobs), made)

    database.write(fill)
    yield Store(database, SqliteQueue(attempts, alive), Bounds())
    alive.close()


@pytest.mark.parametrize("mile", [1, 7, 250, 499, 500, 1000])
def test_a_place_is_the_count_of_those_before(filled: Store, monkeypatch: pytest.MonkeyPatch, mile: int) -> None:
    for module in (milestones, store):
        monkeypatch.setattr(module, "MILE", mile)
    waiting = sorted(filled.listed(Status.QUEUED, "", "", 2 * COUNT), key=lambda job: job.rank)
    assert len(waiting) == COUNT
    ahead = 0.0
    for position, job in enumerate(waiting, 1):
        place = filled.place(job)
        assert place and place.position == position and place.ahead == pytest.approx(ahead)
        ahead += job.seconds
    assert filled.place(filled.listed(Status.COMPLETED, "", "", 1)[0]) is None


def test_lookups_go_by_an_index(filled: Store, database: Sqlite) -> None:
    """Of a hundred thousand jobs, none is read that is not wanted."""
    asked: list[tuple[str, object]] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(_: object, __: object, statement: str, parameters: object, *___: object) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    job = filled.paired("user-3", "3")
    assert job
    filled.job(job.id)
    filled.place(job)
    filled.listed(None, "", job.id, 20)
    filled.listed(Status.COMPLETED, "", "", 20)
    filled.counts()
    Attempts(database, Outbox(database, "other"), "other", "other").next()
    filled.accept(NewJob(job.request, job.audio, 1.0, "user-3", "another"))
    statements = list(dict(asked).items())
    assert len(statements) > 6
    with database.engine.connect() as connection:
        for statement, parameters in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()  # type: ignore[arg-type]
            steps = [row[3] for row in plan if " jobs" in row[3] or ("TEMP" in row[3] and "anon" not in statement)]
            assert steps and all("INDEX" in step for step in steps), (statement, steps)


def test_a_database_of_the_first_version_becomes_what_the_tables_say(tmp_path: Path) -> None:
    """Its migrations lead to the same tables and indexes as the metadata, with what was in it."""
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    old, new = sqlite_engine(tmp_path / "old.sqlite3"), sqlite_engine(tmp_path / "new.sqlite3")
    with old.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        asked = NewJob(Request("transcriptions", {}), Audio("0" * 32, 1, "0" * 64), 1.0, "user", "message")
        connection.execute(insert(jobs).values(rows.new(asked, 1, 1.0)))
        connection.commit()
    schema.upgrade(old, tmp_path)
    metadata.create_all(new)
    found = []
    for engine in (old, new):
        with engine.connect() as connection:
            named = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name NOT LIKE '%greffier%'")
            found.append(sorted(named.scalars().all()))
    assert found[0] == found[1] and "jobs_status" not in found[0]
    with old.connect() as connection:
        assert connection.exec_driver_sql("SELECT user_uuid FROM jobs").scalars().all() == ["user"]
    old.dispose()
    new.dispose()
