"""The first ledger."""

import sqlalchemy as sa
from alembic import op

from opsintel_dagster.ledger.tables import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The first ledger."""
    op.create_table(
        "opsintel_arrival",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("records", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("available_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("duplicate_of", sa.String(length=32), nullable=True),
        sa.Column("supersedes", sa.String(length=32), nullable=True),
        sa.Column("superseded_by", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opsintel_arrival")),
        sa.UniqueConstraint("outcome", "seq", name=op.f("uq_opsintel_arrival_outcome_seq")),
    )
    op.create_index(
        "ix_opsintel_arrival_identity", "opsintel_arrival", ["outcome", "identity"], unique=False
    )
    op.create_index(
        "ix_opsintel_arrival_name", "opsintel_arrival", ["outcome", "name", "seq"], unique=False
    )
    op.create_index(
        "ix_opsintel_arrival_state", "opsintel_arrival", ["outcome", "state"], unique=False
    )
    op.create_table(
        "opsintel_batch",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("declaration", sa.String(length=64), nullable=False),
        sa.Column("records", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("case_id", sa.String(length=32), nullable=True),
        sa.Column("reference_versions", sa.JSON(), nullable=False),
        sa.Column("warned", sa.JSON(), nullable=False),
        sa.Column("available_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("closed_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column(
            "closed_seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("waits_for", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opsintel_batch")),
        sa.UniqueConstraint(
            "outcome", "closed_seq", name=op.f("uq_opsintel_batch_outcome_closed_seq")
        ),
        sa.UniqueConstraint("outcome", "seq", name=op.f("uq_opsintel_batch_outcome_seq")),
    )
    op.create_index(
        "ix_opsintel_batch_outstanding",
        "opsintel_batch",
        ["outcome", "next_attempt_at"],
        unique=False,
        sqlite_where=sa.text("state != 'closed'"),
        postgresql_where=sa.text("state != 'closed'"),
    )
    op.create_index(
        "ix_opsintel_batch_state", "opsintel_batch", ["outcome", "state", "seq"], unique=False
    )
    op.create_table(
        "opsintel_case",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("failure_mode", sa.String(length=200), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("opened_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("closed_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("tried_version", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opsintel_case")),
    )
    op.create_index(
        "ix_opsintel_case_state", "opsintel_case", ["outcome", "state", "opened_at"], unique=False
    )
    op.create_table(
        "opsintel_declaration",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("routes", sa.JSON(), nullable=False),
        sa.Column("pinned_at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opsintel_declaration")),
    )
    op.create_table(
        "opsintel_entry",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opsintel_entry")),
    )
    op.create_index(
        "ix_opsintel_entry_subject", "opsintel_entry", ["outcome", "subject"], unique=False
    )
    op.create_table(
        "opsintel_lease",
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("epoch", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("run_id", sa.String(length=64), nullable=True),
        sa.Column("beat", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("beat_at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("outcome", name=op.f("pk_opsintel_lease")),
    )
    op.create_table(
        "opsintel_outcome",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("location", sa.String(length=200), nullable=False),
        sa.Column("declaration", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("bound_at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_opsintel_outcome")),
    )
    op.create_table(
        "opsintel_reference_use",
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("used_at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("outcome", "reference", name=op.f("pk_opsintel_reference_use")),
    )
    op.create_table(
        "opsintel_touch",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("minutes", sa.Float(), nullable=True),
        sa.Column("is_estimate", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opsintel_touch")),
    )
    op.create_index("ix_opsintel_touch_at", "opsintel_touch", ["outcome", "at"], unique=False)
    op.create_table(
        "opsintel_batch_arrival",
        sa.Column("batch_id", sa.String(length=32), nullable=False),
        sa.Column("arrival_id", sa.String(length=32), nullable=False),
        sa.Column("records", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["arrival_id"],
            ["opsintel_arrival.id"],
            name=op.f("fk_opsintel_batch_arrival_arrival_id"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["opsintel_batch.id"], name=op.f("fk_opsintel_batch_arrival_batch_id")
        ),
        sa.PrimaryKeyConstraint("batch_id", "arrival_id", name=op.f("pk_opsintel_batch_arrival")),
    )
    op.create_index(
        "ix_opsintel_batch_arrival_arrival", "opsintel_batch_arrival", ["arrival_id"], unique=False
    )
    op.create_table(
        "opsintel_case_rows",
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("batch_id", sa.String(length=32), nullable=False),
        sa.Column("arrival_id", sa.String(length=32), nullable=False),
        sa.Column("rules_id", sa.String(length=32), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("resolved", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["arrival_id"], ["opsintel_arrival.id"], name=op.f("fk_opsintel_case_rows_arrival_id")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["opsintel_batch.id"], name=op.f("fk_opsintel_case_rows_batch_id")
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["opsintel_case.id"], name=op.f("fk_opsintel_case_rows_case_id")
        ),
        sa.PrimaryKeyConstraint(
            "case_id", "batch_id", "arrival_id", "rules_id", name=op.f("pk_opsintel_case_rows")
        ),
    )
    op.create_index(
        "ix_opsintel_case_rows_arrival", "opsintel_case_rows", ["arrival_id"], unique=False
    )
    op.create_index("ix_opsintel_case_rows_batch", "opsintel_case_rows", ["batch_id"], unique=False)
    op.create_table(
        "opsintel_delivery",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("batch_id", sa.String(length=32), nullable=False),
        sa.Column("route", sa.String(length=200), nullable=False),
        sa.Column("guarantee", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("records", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("epoch", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("receipt", sa.JSON(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("run_id", sa.String(length=64), nullable=True),
        sa.Column("intent_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("receipt_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["opsintel_batch.id"], name=op.f("fk_opsintel_delivery_batch_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opsintel_delivery")),
    )
    op.create_index("ix_opsintel_delivery_batch", "opsintel_delivery", ["batch_id"], unique=False)
    op.create_index(
        "ix_opsintel_delivery_route",
        "opsintel_delivery",
        ["outcome", "route", "state"],
        unique=False,
    )
    op.create_table(
        "opsintel_sighting",
        sa.Column("outcome", sa.String(length=200), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("mark", sa.String(length=100), nullable=False),
        sa.Column("arrival_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["arrival_id"], ["opsintel_arrival.id"], name=op.f("fk_opsintel_sighting_arrival_id")
        ),
        sa.PrimaryKeyConstraint("outcome", "name", name=op.f("pk_opsintel_sighting")),
    )
    op.create_table(
        "opsintel_stage_file",
        sa.Column("batch_id", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("bytes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["opsintel_batch.id"], name=op.f("fk_opsintel_stage_file_batch_id")
        ),
        sa.PrimaryKeyConstraint("batch_id", "role", "part", name=op.f("pk_opsintel_stage_file")),
    )
