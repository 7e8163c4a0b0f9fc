"""Jobs of another server taken over, on SQLite and on PostgreSQL: once, all or none, and nothing of ours is touched."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import select

from stt_core.jobs import schema
from stt_core.jobs.database import Database, Postgres, Sqlite
from stt_core.jobs.tables import jobs, transcripts
from stt_core.jobs.takeover import Past, take_over
from stt_testing import postgres

DONE = "00000000-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with ExitStack() as ending:
        kept: Sqlite | Postgres
        if request.param == "sqlite":
            kept = Sqlite(tmp_path / "jobs.sqlite3")
        else:
            kept = Postgres(request.getfixturevalue("server"), f"q{uuid.uuid4().hex[:8]}")
        ending.callback(kept.close)
        schema.upgrade(kept.engine, tmp_path)
        yield kept


def past(number: int, identity: str = "", text: str | None = "words", error: str | None = None) -> Past:
    return Past(identity or str(uuid.uuid4()), "user", f"message-{number}", 1000.0, 2000.0 + number, text, 12.5, error)


def statuses(database: Database) -> dict[str, str]:
    found = database.read(lambda connection: connection.execute(select(jobs.c.message_id, jobs.c.status)).all())
    return {message: status for message, status in found}


def test_it_is_done_once_for_each_source(database: Database) -> None:
    one = [past(1, DONE, "one"), past(2, text=None), past(3, text=None, error="no sound"), past(4, text="  ")]
    assert take_over(database, "/data/a.db", lambda: one) == 4
    assert take_over(database, "/data/a.db", lambda: pytest.fail("it is not even read")) is None
    assert statuses(database) == {f"message-{n}": "failed" if n == 3 else "completed" for n in (1, 2, 3, 4)}
    texts = database.read(lambda connection: connection.execute(select(transcripts.c.text)).scalars().all())
    assert sorted(texts) == ["", "one"]
    assert take_over(database, "/data/b.db", lambda: [past(5)]) == 1


def test_what_is_there_already_stays(database: Database) -> None:
    assert take_over(database, "/a", lambda: [past(1, DONE, "ours")]) == 1
    same_pair, same_id = past(1, text="theirs"), past(2, DONE, "theirs")
    assert take_over(database, "/b", lambda: [same_pair, same_id, past(3)]) == 1
    texts = database.read(lambda connection: connection.execute(select(transcripts.c.text)).scalars().all())
    assert sorted(texts) == ["ours", "words"]


def test_of_a_source_that_breaks_off_nothing_is_kept_and_it_is_tried_again(database: Database) -> None:
    def broken() -> Iterator[Past]:
        yield from (past(number) for number in range(1200))
        raise RuntimeError("half of it")

    with pytest.raises(RuntimeError, match="half of it"):
        take_over(database, "/a", broken)
    assert statuses(database) == {}
    assert take_over(database, "/a", lambda: [past(number) for number in range(1200)]) == 1200
