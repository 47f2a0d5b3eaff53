"""Amendments: decisions that were kept as rules, and how often each has fired."""

import sqlalchemy as sa
from alembic import op

from opsintel_dagster.ledger.tables import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was kept before."""
    op.create_table(
        "opsintel_amendment",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("outcome", sa.String(200), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("content_id", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("case_id", sa.String(32)),
        sa.Column("decision_id", sa.String(32)),
        sa.Column("kept_at", UtcDateTime(), nullable=False),
        sa.Column("retired_at", UtcDateTime()),
        sa.Column("retired_by", sa.String(200)),
        sa.Column("retired_reason", sa.Text()),
        sa.Column("fired", sa.Integer(), nullable=False),
        sa.Column("last_fired_at", UtcDateTime()),
        sa.Column("idle", sa.Text()),
        sa.UniqueConstraint("outcome", "number", name="uq_opsintel_amendment_number"),
    )
    op.create_index(
        "uq_opsintel_amendment_active",
        "opsintel_amendment",
        ["outcome", "content_id"],
        unique=True,
        sqlite_where=sa.text("retired_at IS NULL"),
        postgresql_where=sa.text("retired_at IS NULL"),
    )
