"""Causes: a case may be about one of the causes of its failure mode; indexes for long histories."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Cases from before are about their whole failure mode, and keep their ids."""
    op.add_column("opsintel_case", sa.Column("cause", sa.Text(), nullable=False, server_default=""))
    op.create_index(
        "ix_opsintel_case_failure_mode", "opsintel_case", ["outcome", "failure_mode", "state"]
    )
    _create_partial("ix_opsintel_case_open", "opsintel_case", ["opened_at"], "state = 'open'")
    _create_partial("ix_opsintel_case_closed", "opsintel_case", ["closed_at"], "state = 'closed'")
    _create_partial(
        "ix_opsintel_case_closed_of",
        "opsintel_case",
        ["outcome", "closed_at"],
        "state = 'closed'",
    )
    _create_partial(
        "ix_opsintel_case_rows_lying", "opsintel_case_rows", ["case_id"], "rows > resolved"
    )


def _create_partial(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
