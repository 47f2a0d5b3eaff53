"""A run that failed is executed again from where it failed, and ends where it would have ended."""

from pathlib import Path

import dagster as dg
from reexecuted import drain
from scenario import DAY_ONE, MORE_DEPOTS, Operation

from opsintel_dagster.orchestration.drain import Drain


def test_a_run_is_executed_again_from_its_failure(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("OPSINTEL_ROOT", str(tmp_path))
    operation = Operation(tmp_path)
    operation.drop("depots", "depots.csv", MORE_DEPOTS)
    operation.drop("parcels", "day1.csv", DAY_ONE)
    (tmp_path / "home").mkdir()
    home = {"telemetry": {"enabled": False}}
    job = dg.reconstructable(drain)

    def away(_self: Drain) -> None:
        raise OSError("the desk is away")

    with dg.DagsterInstance.local_temp(str(tmp_path / "home"), overrides=home) as instance:
        with monkeypatch.context() as broken:
            broken.setattr(Drain, "delivered", away)
            failed = dg.execute_job(job, instance)
        assert not failed.success
        assert operation.table("gate_queue") == []

        options = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
        again = dg.execute_job(job, instance, reexecution_options=options)
        steps = {event.step_key for event in again.all_events if event.is_step_success}
    operation.close()
    assert again.success
    assert steps == {
        "depots__delivered",
        "depots__promise",
        *(f"parcels__{stage}" for stage in ("verified", "routed", "delivered", "promise")),
    }
    assert len(operation.table("depots")) == 4


def test_steps_that_were_done_are_not_needed_again(tmp_path: Path, monkeypatch):
    """What a stage has done stands in the ledger, not in an output of its step."""
    monkeypatch.setenv("OPSINTEL_ROOT", str(tmp_path))
    operation = Operation(tmp_path)
    operation.drop("depots", "depots.csv", MORE_DEPOTS)
    operation.drain("depots")
    operation.drop("parcels", "day1.csv", DAY_ONE)
    operation.drain("parcels")
    operation.close()
    with dg.DagsterInstance.ephemeral() as instance:
        assert drain().execute_in_process(instance=instance, op_selection=["*parcels__promise"])
    assert len(operation.table("gate_queue")) == 2
