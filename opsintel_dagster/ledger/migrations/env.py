"""Alembic's entry point; runs on the connection that `upgrade` hands it, inside its transaction."""

from alembic import context

from opsintel_dagster.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="opsintel_alembic_version",
    user_module_prefix="",  # revisions import UtcDateTime by its name
)
with context.begin_transaction():
    context.run_migrations()
