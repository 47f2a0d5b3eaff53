"""Decided batches: which decision moved their rows, so that something is learned from answers."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of batches from before nobody knows; nothing is learned from them."""
    op.add_column("opsintel_batch", sa.Column("decision_id", sa.String(32), nullable=True))
    is_decided = sa.text("decision_id IS NOT NULL")
    op.create_index(
        "ix_opsintel_batch_decision",
        "opsintel_batch",
        ["decision_id"],
        sqlite_where=is_decided,
        postgresql_where=is_decided,
    )
