"""Hands each stage what the one before produced, and presents the whole as Dagster definitions.

The drain itself is plain Python: `opsintel drain` and the tests run it without Dagster, so
importing this package must not import Dagster.
"""
