"""Healing: failed attempts, breakers, and what keeps a batch from being tried again."""

import sqlalchemy as sa
from alembic import op

from opsintel_dagster.ledger.tables import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Count = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Batches of before have failed of nothing that is known; all breakers are closed."""
    op.add_column(
        "opsintel_lease", sa.Column("crashes", sa.Integer(), nullable=False, server_default="0")
    )
    for column in (
        sa.Column("failure_class", sa.String(20)),
        sa.Column("is_given_up", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("blocked_by", sa.String(300)),
        sa.Column("begun_epoch", Count),
        sa.Column("kills", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("opsintel_batch", column)
    op.create_index(
        "ix_opsintel_batch_blocked",
        "opsintel_batch",
        ["blocked_by"],
        sqlite_where=sa.text("blocked_by IS NOT NULL"),
        postgresql_where=sa.text("blocked_by IS NOT NULL"),
    )
    op.add_column(
        "opsintel_delivery", sa.Column("part", sa.String(64), nullable=False, server_default="")
    )
    op.create_table(
        "opsintel_attempt",
        sa.Column("id", Count, primary_key=True, autoincrement=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("outcome", sa.String(200), nullable=False),
        sa.Column("batch_id", sa.String(32)),
        sa.Column("stage", sa.String(20), nullable=False),
        sa.Column("failure_class", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("dependency", sa.String(300)),
        sa.Column("run_id", sa.String(64)),
        sa.Column("next_attempt_at", UtcDateTime()),
        sa.Column("settled_at", UtcDateTime()),
        sa.Column("settled_by", sa.String(200)),
    )
    op.create_index("ix_opsintel_attempt_at", "opsintel_attempt", ["outcome", "at"])
    op.create_index("ix_opsintel_attempt_batch", "opsintel_attempt", ["batch_id"])
    op.create_index("ix_opsintel_attempt_run", "opsintel_attempt", ["run_id"])
    op.create_index(
        "ix_opsintel_attempt_unsettled",
        "opsintel_attempt",
        ["outcome"],
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "opsintel_breaker",
        sa.Column("name", sa.String(300), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failure_class", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened_at", UtcDateTime()),
        sa.Column("retry_at", UtcDateTime()),
        sa.Column("probed_by", sa.String(200)),
        sa.Column("probe_until", UtcDateTime()),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
    )
