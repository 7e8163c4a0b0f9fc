"""The tables brought up to date when a service starts."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from stt_core.errors import StartError

HEAD = "0003"
"""The newest of the migrations."""
TABLE = "greffier_migration"
"""Where Alembic writes down how far a database is: a database may be shared with other programs."""
LOCK = 0x67_72_65_66
"""Of PostgreSQL's advisory locks, the one for migrations."""


def upgrade(engine: Engine, folder: Path, also: Callable[[], None] = lambda: None) -> None:
    """One process at a time. folder: of the jobs, for the lock beside SQLite's file. also: what else is to be
    brought up to date.

    Raises StartError for a database that a later version of the kit has changed.
    """
    with engine.connect() as connection, _alone(connection, folder):
        at = _at(connection)
        also()
        if at == HEAD:
            return
        if at is not None and at > HEAD:
            raise StartError(
                f"The jobs' database is at version {at}, and this version of the service knows {HEAD}. "
                "Deploy the version that wrote it, or restore a backup from before."
            )
        _migrate(connection)


def _at(connection: Connection) -> str | None:
    if not inspect(connection).has_table(TABLE):
        return None
    version = connection.execute(text(f"SELECT version_num FROM {TABLE}")).scalar()
    return None if version is None else str(version)


def _migrate(connection: Connection) -> None:
    # Slow to import, and wanted only once for each version.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.in_transaction():
        connection.commit()


@contextmanager
def _alone(connection: Connection, folder: Path) -> Iterator[None]:
    if connection.dialect.name == "sqlite":
        with (folder / "migration.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
    connection.commit()  # the lock is the session's, not the transaction's
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
        connection.commit()
