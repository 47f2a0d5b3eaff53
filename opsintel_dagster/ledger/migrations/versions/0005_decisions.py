"""Decisions: what was answered to a case, by whom and why; who is asked instead, and until when."""

import sqlalchemy as sa
from alembic import op

from opsintel_dagster.ledger.tables import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was decided before; rows from before were seen by everybody."""
    op.create_table(
        "opsintel_decision",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("outcome", sa.String(200), nullable=False),
        sa.Column(
            "case_id",
            sa.String(32),
            sa.ForeignKey("opsintel_case.id", name="fk_opsintel_decision_case_id"),
            nullable=False,
        ),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("executed_at", UtcDateTime()),
        sa.Column("result", sa.Text()),
    )
    op.create_index("ix_opsintel_decision_case", "opsintel_decision", ["case_id", "decided_at"])
    op.create_index(
        "uq_opsintel_decision_requested",
        "opsintel_decision",
        ["case_id", "episode"],
        unique=True,
        sqlite_where=sa.text("state = 'requested'"),
        postgresql_where=sa.text("state = 'requested'"),
    )
    op.create_index(
        "ix_opsintel_decision_open",
        "opsintel_decision",
        ["outcome"],
        sqlite_where=sa.text("state = 'requested'"),
        postgresql_where=sa.text("state = 'requested'"),
    )
    op.add_column("opsintel_case", sa.Column("assigned_by", sa.String(200)))
    op.add_column("opsintel_case", sa.Column("snoozed_until", UtcDateTime()))
    op.add_column(
        "opsintel_case_rows",
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
    )
