"""An asset of another team as a source: its new materialization is the arrival."""

import dagster as dg
import polars as pl
from running import Running, materialized, woken
from scenario import parcels

from opsintel_dagster.outcome import Outcome

TABLE = dg.AssetKey(["warehouse", "parcels"])


def follower() -> Outcome:
    source = {"kind": "upstream", "asset": "warehouse/parcels", "path": "warehouse.parquet"}
    changes = {"source": source, "contract": pl_contract(), "failure_modes": ()}
    return parcels(**changes)


def pl_contract() -> object:
    import pandera.polars as pa  # noqa: PLC0415

    return pa.DataFrameSchema(
        {"parcel": pa.Column(str), "weight": pa.Column(float, pa.Check.ge(0))}
    )


def publish(running: Running, weights: list[float], version: str) -> None:
    """What the other team's asset does: write a table, and say so to Dagster."""
    frame = pl.DataFrame({"parcel": [f"P{n}" for n in range(len(weights))], "weight": weights})
    frame.write_parquet(running.operation.root / "warehouse.parquet")
    tags = {"dagster/data_version": version}
    running.instance.report_runless_asset_event(dg.AssetMaterialization(TABLE, tags=tags))


def test_a_new_materialization_of_another_asset_is_an_arrival(running):
    running.operation.redeclare(follower())
    running.deploy()
    assert woken(running.tick()) == []
    publish(running, [1.0, 50.0, -1.0], "one")
    assert woken(running.tick()) == ["parcels"]
    told = materialized(running.run())
    assert told["arrivals"]["dagster/row_count"] == 3
    assert told["delivered"]["dagster/row_count"] == 2
    assert woken(running.tick()) == []
    publish(running, [2.0], "two")
    assert woken(running.tick()) == ["parcels"]
    assert materialized(running.run())["arrivals"]["dagster/row_count"] == 1
