"""Firings in 64 bits: an amendment of a busy outcome fires more than two thousand million times."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """PostgreSQL counted in 32 bits; SQLite's integers had 64 all along."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("opsintel_amendment", "fired", type_=sa.BigInteger())
