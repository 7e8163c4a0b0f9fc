"""The database that jobs are kept in: SQLite on one machine, or PostgreSQL for several.

SQLite's writes go through one thread, which commits together whatever was asked for meanwhile: a commit that is
durable waits for the disk, and forty of them at once wait for it once.
"""

import math
import queue
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url

from stt_core.errors import StartError
from stt_core.jobs.model import StorageFull

Value = TypeVar("Value")
Work = Callable[[Connection], Value]

BATCH = 256
"""Writes that are committed together at most."""
BUSY_SECONDS = 30
"""How long a write waits for the other slot's process."""
TOGETHER = 40
"""Connections at most: as many as the web framework has threads."""
CONNECT_SECONDS = 10
RESTED_SECONDS = 2.0


class Database(Protocol):
    """Runs work on a connection, in a transaction of its own. Any thread may call it.

    Errors of the work are raised as they are; StorageFull where the disk has no room for it.
    """

    def read(self, work: Work[Value]) -> Value: ...

    def write(self, work: Work[Value], *, durable: bool = True) -> Value:
        """Returns once it is committed. durable: even a power cut does not undo it any more. PostgreSQL's all are."""

    def close(self) -> None: ...


@dataclass
class _Asked:
    work: Work[Any]
    durable: bool
    answer: "Future[Any]" = field(default_factory=Future)


class Sqlite:
    """One file; two processes may have it open at once, as two slots of a service do for a while.

    Raises StartError where the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = sqlite_engine(path)
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="jobs-writer", daemon=True)
        self._thread.start()

    @property
    def engine(self) -> Engine:
        return self._engine

    def read(self, work: Work[Value]) -> Value:
        with self._engine.connect() as connection:
            return work(connection)

    def write(self, work: Work[Value], *, durable: bool = True) -> Value:
        asked = _Asked(work, durable)
        self._asked.put(asked)
        value: Value = asked.answer.result()
        return value

    def close(self) -> None:
        """Commit what was asked for, and let go of the file."""
        self._asked.put(None)
        self._thread.join()
        self._engine.dispose()

    def _main(self) -> None:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while (asked := self._asked.get()) is not None:
                batch = [asked]
                while len(batch) < BATCH and not self._asked.empty():
                    following = self._asked.get()
                    if following is None:
                        self._asked.put(None)
                        break
                    batch.append(following)
                self._commit(connection, batch)

    def _commit(self, connection: Connection, batch: list[_Asked]) -> None:
        answers: list[tuple[_Asked, Any]] = []
        try:
            level = "FULL" if any(asked.durable for asked in batch) else "NORMAL"
            connection.exec_driver_sql(f"PRAGMA synchronous = {level}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                for asked in batch:
                    connection.exec_driver_sql("SAVEPOINT one")
                    try:
                        answers.append((asked, asked.work(connection)))
                    except Exception as error:
                        if _in_transaction(connection):
                            connection.exec_driver_sql("ROLLBACK TO one")
                            asked.answer.set_exception(_as_told(error))
                        else:  # SQLite has undone the whole: the disk is full, or the file cannot be read
                            raise
                    finally:
                        if _in_transaction(connection):
                            connection.exec_driver_sql("RELEASE one")
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                if _in_transaction(connection):
                    connection.exec_driver_sql("ROLLBACK")
                raise
        except Exception as error:
            told = _as_told(error)
            for asked in batch:
                if not asked.answer.done():
                    asked.answer.set_exception(told)
        else:
            for asked, value in answers:
                asked.answer.set_result(value)


class Postgres:
    """A database on a server. Raises StartError where it cannot be reached; the password is in no message."""

    def __init__(self, url: str, queue: str) -> None:
        """queue: the services that share one; it is the schema of their tables."""
        self._engine, self.plain_url = postgres_engine(url, queue)

    @property
    def engine(self) -> Engine:
        return self._engine

    def read(self, work: Work[Value]) -> Value:
        with self._engine.connect() as connection:
            return work(connection)

    def write(self, work: Work[Value], *, durable: bool = True) -> Value:
        with self._engine.begin() as connection:
            return work(connection)

    def close(self) -> None:
        self._engine.dispose()


def sqlite_engine(path: Path) -> Engine:
    """Raises StartError for a file that is damaged, or is no database."""
    engine = create_engine(
        f"sqlite:///{path}",
        pool_size=TOGETHER,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def opened(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions begin where we say so
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")

    try:
        with engine.connect() as connection:
            wrong = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    except exc.OperationalError as error:
        raise StartError(f"{path} cannot be opened: {error.orig}. See that the service may write there.") from None
    except exc.DatabaseError as error:
        raise _damaged(path, str(error.orig)) from None
    if wrong != "ok":
        raise _damaged(path, str(wrong))
    return engine


def postgres_engine(url: str, queue: str) -> tuple[Engine, str]:
    """The engine, and the URL as psycopg itself takes it; both see only the queue's own schema. Raises StartError."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise StartError("DATABASE_URL is not a URL: postgresql://user:password@host/database is one.") from None
    if parsed.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise StartError(
            f"DATABASE_URL names {parsed.drivername}; jobs are kept in postgresql:// or, without it, SQLite."
        )
    schema = "greffier_" + re.sub(r"[^a-z0-9]", "_", queue.lower())
    parsed = parsed.update_query_dict({"options": f"-csearch_path={schema}"}, append=True)
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=5,
        max_overflow=TOGETHER - 5,
        connect_args={"connect_timeout": CONNECT_SECONDS},
    )
    _look_after(engine)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    except exc.OperationalError as error:
        reason = " ".join(str(error.orig).split()).replace(parsed.password or "\0", "***")
        raise StartError(
            f"The database {parsed.render_as_string(hide_password=True)} cannot be used: {reason}"
        ) from None
    return engine, parsed.set(drivername="postgresql").render_as_string(hide_password=False)


def _look_after(engine: Engine) -> None:
    """A connection that has rested is asked whether it still stands before it is used; SQLAlchemy would ask each
    time, which takes as long as many a statement."""

    @event.listens_for(engine, "checkin")
    def rests(_: object, record: Any) -> None:
        record.info["since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def wakes(connection: Any, record: Any, _: object) -> None:
        if time.monotonic() > record.info.get("since", math.inf) + RESTED_SECONDS:
            try:
                connection.execute("SELECT 1")
                connection.rollback()
            except Exception as error:
                raise exc.DisconnectionError(str(error)) from error


def _in_transaction(connection: Connection) -> bool:
    driver = connection.connection.dbapi_connection
    return bool(getattr(driver, "in_transaction", False))


def _as_told(error: Exception) -> Exception:
    """StorageFull for whatever SQLite says where the disk is full."""
    full = isinstance(error, exc.OperationalError) and getattr(error.orig, "sqlite_errorcode", 0) in (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR_WRITE,
    )
    return StorageFull() if full else error


def _damaged(path: Path, reason: str) -> StartError:
    return StartError(
        f"{path} is damaged ({reason[:200]}), so no job is taken or lost by going on. "
        f"Restore it from a backup, or save what can be read with `sqlite3 {path.name} .recover`; "
        "or move it and its -wal file away to begin with an empty queue."
    )
