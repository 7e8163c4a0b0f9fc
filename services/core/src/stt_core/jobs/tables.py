"""The tables of jobs, on SQLite and PostgreSQL alike. Changes to them go into migrations/."""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from stt_core.jobs.model import Status

metadata = MetaData()

STATUS = {status: text(f"status = '{status.value}'") for status in Status}
"""Conditions as text, with their values in them: only so SQLite sees that a query is within one of the indexes that
hold a part of the table. There is none on the status alone, which it would prefer to them."""
QUEUED, PROCESSING = STATUS[Status.QUEUED], STATUS[Status.PROCESSING]

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("user_uuid", String, nullable=False, server_default=""),
    Column("message_id", String, nullable=False, server_default=""),
    Column("form", String, nullable=False),
    Column("fields", Text, nullable=False),
    Column("audio_name", String, nullable=False),
    Column("audio_size", BigInteger, nullable=False),
    Column("audio_sha256", String, nullable=False),
    Column("audio_host", String, nullable=False, server_default=""),
    Column("audio_deleted", Integer, nullable=False, server_default="0"),
    Column("seconds", Float, nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("callback_url", Text, nullable=False, server_default=""),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("duration", Float),
    Column("progress", Float, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("owner", String, nullable=False, server_default=""),
    Column("error", Text),
    Column("error_code", String),
)
"""One row for each job. Of a request: `form` and its `fields` as JSON."""

PAIRED = text("user_uuid <> '' AND message_id <> ''")

Index("jobs_pair", jobs.c.user_uuid, jobs.c.message_id, unique=True, sqlite_where=PAIRED, postgresql_where=PAIRED)
# Only what waits is in these two: a hundred thousand finished jobs do not slow the queue.
Index("jobs_queued", jobs.c.rank, jobs.c.seconds, sqlite_where=QUEUED, postgresql_where=QUEUED)
Index("jobs_queued_user", jobs.c.user_uuid, jobs.c.rank, sqlite_where=QUEUED, postgresql_where=QUEUED)
Index("jobs_processing", jobs.c.owner, sqlite_where=PROCESSING, postgresql_where=PROCESSING)
for _status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED):
    _ended = STATUS[_status]
    Index(f"jobs_{_status}", jobs.c.created_at, jobs.c.id, sqlite_where=_ended, postgresql_where=_ended)
Index("jobs_created", jobs.c.created_at, jobs.c.id)
KEPT = text("audio_deleted = 0")
Index("jobs_audio", jobs.c.status, jobs.c.ended_at, sqlite_where=KEPT, postgresql_where=KEPT)
Index("jobs_audio_name", jobs.c.audio_name)
Index("jobs_ended", jobs.c.ended_at)

transcripts = Table(
    "transcripts",
    metadata,
    Column("job_id", String, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("text", Text, nullable=False),
    Column("content", Text, nullable=False),
)
"""What came of a job: its text, and the whole transcript as JSON."""

windows = Table(
    "windows",
    metadata,
    Column("job_id", String, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
)
"""The windows of an unfinished job that are done, so that another attempt goes on behind them."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String, primary_key=True),
    Column("job_id", String, nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("owner", String, nullable=False, server_default=""),
    Column("error", Text),
)
"""Webhooks that are to be sent, were sent, or could not be: `pending`, `delivered` or `dead`. `id` is the
webhook-id, the same at every try."""

PENDING = text("status = 'pending'")
Index("deliveries_due", deliveries.c.due_at, sqlite_where=PENDING, postgresql_where=PENDING)

files = Table(
    "files",
    metadata,
    Column("id", String, primary_key=True),
    Column("purpose", String, nullable=False),
    Column("filename", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("audio_name", String, nullable=False, index=True),
    Column("audio_size", BigInteger, nullable=False),
    Column("audio_sha256", String, nullable=False),
    Column("audio_host", String, nullable=False, server_default=""),
)
"""Files that were uploaded by themselves, or that a batch has written. Their content lies beside the recordings."""

batches = Table(
    "batches",
    metadata,
    Column("id", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("window", String, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("errors", Text, nullable=False),
    Column("input_file_id", String, nullable=False),
    Column("output_file_id", String),
    Column("error_file_id", String),
    Column("host", String, nullable=False, server_default=""),
    Column("total", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("cancelling_at", Float),
    Column("ended_at", Float),
)
"""`host`: the service that makes jobs of its items, since it has the files. metadata, errors: JSON."""

batch_items = Table(
    "batch_items",
    metadata,
    Column("batch_id", String, ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("custom_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("job_id", String),
    Column("failed", Text),
    Column("tries", Integer, nullable=False, server_default="0"),
)
"""The lines of a batch. `failed`: the answer of one that could not even become a job, as JSON."""

takeovers = Table(
    "takeovers",
    metadata,
    Column("source", Text, primary_key=True),
    Column("jobs", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
)
"""The databases of other servers whose jobs were taken over, and how many that were."""
