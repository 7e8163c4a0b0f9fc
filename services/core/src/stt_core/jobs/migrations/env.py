"""Run by Alembic, on the connection that schema.py has opened."""

from alembic import context

from stt_core.jobs.schema import TABLE
from stt_core.jobs.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
