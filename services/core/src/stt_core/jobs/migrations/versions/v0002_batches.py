"""Files and batches; an index for each status in place of one for all, which SQLite preferred to those in part."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("jobs_status", "jobs")
    for status in ("completed", "failed", "cancelled"):
        ended = sa.text(f"status = '{status}'")
        op.create_index(f"jobs_{status}", "jobs", ["created_at", "id"], sqlite_where=ended, postgresql_where=ended)
    op.create_table(
        "files",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("audio_name", sa.String, nullable=False, index=True),
        sa.Column("audio_size", sa.BigInteger, nullable=False),
        sa.Column("audio_sha256", sa.String, nullable=False),
        sa.Column("audio_host", sa.String, nullable=False, server_default=""),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("endpoint", sa.String, nullable=False),
        sa.Column("window", sa.String, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("errors", sa.Text, nullable=False),
        sa.Column("input_file_id", sa.String, nullable=False),
        sa.Column("output_file_id", sa.String),
        sa.Column("error_file_id", sa.String),
        sa.Column("host", sa.String, nullable=False, server_default=""),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("cancelling_at", sa.Float),
        sa.Column("ended_at", sa.Float),
    )
    op.create_table(
        "batch_items",
        sa.Column("batch_id", sa.String, sa.ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("custom_id", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("job_id", sa.String),
        sa.Column("failed", sa.Text),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    )
