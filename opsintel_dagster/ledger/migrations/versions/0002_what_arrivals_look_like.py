"""What arrivals look like: their profiles, and the symptoms they came with."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Arrivals of before have neither; they are no history to compare with."""
    op.add_column("opsintel_arrival", sa.Column("profile", sa.JSON(), nullable=True))
    op.add_column("opsintel_arrival", sa.Column("symptoms", sa.JSON(), nullable=True))
