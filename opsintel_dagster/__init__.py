"""Operational intelligence on Dagster: declare the outcome, own the result."""
