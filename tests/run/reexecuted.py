"""The definitions of a failing operation, where a process that runs a job anew finds them."""

import dagster as dg
from scenario import depots, parcels

from opsintel_dagster import build_defs


def drain() -> dg.JobDefinition:
    """The shared job of the scenario's outcomes."""
    return build_defs([depots(), parcels()], location="tests").resolve_job_def("opsintel_drain")
