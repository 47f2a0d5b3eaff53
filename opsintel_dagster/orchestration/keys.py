"""How an outcome is named in Dagster: asset keys, check names, op names and tags."""

import re
from typing import Final

import dagster as dg

ASSETS: Final = ("arrivals", "verified", "quarantine", "routed", "delivered", "promise")
"""The six assets of an outcome, in the order in which records pass them."""

JOB_NAME: Final = "opsintel_drain"
SENSOR_NAME: Final = "opsintel_arrivals"
HEALER_NAME: Final = "opsintel_healer"
WATCH_NAME: Final = "opsintel_watch"
SENSORS: Final = (SENSOR_NAME, HEALER_NAME, WATCH_NAME)
"""The sensors of a code location, whatever the number of its outcomes."""

TAG: Final = "opsintel"
"""On every asset of this package, without a value: `tag:opsintel` selects them all."""

OUTCOME_TAG: Final = "opsintel/outcome"
"""On assets and runs: which outcome."""

ATTEMPT_TAG: Final = "opsintel/attempt"
"""On runs that try again: the how many-th attempt it is for what has failed most often."""

FAILURE_CLASS_TAG: Final = "opsintel/failure_class"
"""On runs that failed, and on those that try again: of which class the failure was."""

HEALED_BY_TAG: Final = "opsintel/healed_by"
"""On runs that try again: who started them."""

STAGE_TAG: Final = "opsintel/stage"


def asset_key(outcome: str, asset: str) -> dg.AssetKey:
    """`[outcome, asset]`; no key of an outcome is a prefix of another."""
    return dg.AssetKey([outcome, asset])


def outcome_keys(outcome: str) -> list[dg.AssetKey]:
    """All six assets of an outcome: what a run of the sensor selects."""
    return [asset_key(outcome, asset) for asset in ASSETS]


def check_name(rule: str) -> str:
    """The Dagster check of a contract rule: `dest.not_null` is shown as `dest__not_null`."""
    return re.sub(r"[^A-Za-z0-9_]", "_", rule.replace(".", "__"))


def op_name(outcome: str, stage: str) -> str:
    """Ops share one namespace with jobs and assets of the code location, so both parts are in."""
    return f"{outcome}__{stage}"
