"""The ledger's schema through time, as Alembic revisions shipped with the package."""
