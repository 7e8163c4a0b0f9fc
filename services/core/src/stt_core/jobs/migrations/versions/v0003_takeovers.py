"""What was taken over from other servers' databases, so that it is done once."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "takeovers",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("jobs", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
