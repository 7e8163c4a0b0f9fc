"""The first tables of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PAIRED = sa.text("user_uuid != '' AND message_id != ''")
QUEUED = sa.text("status = 'queued'")
PROCESSING = sa.text("status = 'processing'")
KEPT = sa.text("audio_deleted = 0")
PENDING = sa.text("status = 'pending'")


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("user_uuid", sa.String, nullable=False, server_default=""),
        sa.Column("message_id", sa.String, nullable=False, server_default=""),
        sa.Column("form", sa.String, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("audio_name", sa.String, nullable=False),
        sa.Column("audio_size", sa.BigInteger, nullable=False),
        sa.Column("audio_sha256", sa.String, nullable=False),
        sa.Column("audio_host", sa.String, nullable=False, server_default=""),
        sa.Column("audio_deleted", sa.Integer, nullable=False, server_default="0"),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("rank", sa.BigInteger, nullable=False),
        sa.Column("callback_url", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("started_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("duration", sa.Float),
        sa.Column("progress", sa.Float, nullable=False, server_default="0"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("owner", sa.String, nullable=False, server_default=""),
        sa.Column("error", sa.Text),
        sa.Column("error_code", sa.String),
    )
    _index("jobs_pair", ["user_uuid", "message_id"], PAIRED, unique=True)
    _index("jobs_queued", ["rank", "seconds"], QUEUED)
    _index("jobs_queued_user", ["user_uuid", "rank"], QUEUED)
    _index("jobs_processing", ["owner"], PROCESSING)
    _index("jobs_audio", ["status", "ended_at"], KEPT)
    op.create_index("jobs_audio_name", "jobs", ["audio_name"])
    op.create_index("jobs_status", "jobs", ["status"])
    op.create_index("jobs_created", "jobs", ["created_at", "id"])
    op.create_index("jobs_ended", "jobs", ["ended_at"])
    of_job = sa.ForeignKey("jobs.id", ondelete="CASCADE")
    op.create_table(
        "transcripts",
        sa.Column("job_id", sa.String, of_job, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_table(
        "windows",
        sa.Column("job_id", sa.String, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("job_id", sa.String, nullable=False, index=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("owner", sa.String, nullable=False, server_default=""),
        sa.Column("error", sa.Text),
    )
    op.create_index("deliveries_due", "deliveries", ["due_at"], sqlite_where=PENDING, postgresql_where=PENDING)


def _index(name: str, columns: list[str], where: sa.TextClause, *, unique: bool = False) -> None:
    op.create_index(name, "jobs", columns, unique=unique, sqlite_where=where, postgresql_where=where)
