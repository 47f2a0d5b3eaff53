"""The code location: every outcome below `outcomes/`.

What the house wants on all of them stands in `outcomes/house`; job and sensor come with the
outcomes themselves.
"""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """Load the outcomes; opens no ledger, store or network."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
