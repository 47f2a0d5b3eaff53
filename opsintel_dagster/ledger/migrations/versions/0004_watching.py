"""Watching: what is wrong and for how long, and what was told to whom."""

import sqlalchemy as sa
from alembic import op

from opsintel_dagster.ledger.tables import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was told before."""
    op.create_table(
        "opsintel_episode",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("outcome", sa.String(200)),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.Column("over_at", UtcDateTime()),
        sa.Column("acknowledged_at", UtcDateTime()),
        sa.Column("acknowledged_by", sa.String(200)),
    )
    op.create_index("ix_opsintel_episode_began", "opsintel_episode", ["outcome", "began_at"])
    op.create_index(
        "uq_opsintel_episode_open",
        "opsintel_episode",
        ["key"],
        unique=True,
        sqlite_where=sa.text("over_at IS NULL"),
        postgresql_where=sa.text("over_at IS NULL"),
    )
    op.create_table(
        "opsintel_notice",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("outcome", sa.String(200)),
        sa.Column(
            "episode_id",
            sa.String(32),
            sa.ForeignKey("opsintel_episode.id", name="fk_opsintel_notice_episode_id"),
            nullable=False,
        ),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime()),
        sa.Column("accepted", sa.JSON(), nullable=False),
        sa.Column("failure", sa.Text()),
    )
    op.create_index("ix_opsintel_notice_decided", "opsintel_notice", ["outcome", "decided_at"])
    op.create_index("ix_opsintel_notice_episode", "opsintel_notice", ["episode_id", "owner"])
    op.create_index(
        "ix_opsintel_notice_due",
        "opsintel_notice",
        ["next_attempt_at"],
        sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
