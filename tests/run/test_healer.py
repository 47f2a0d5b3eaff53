"""The healer reads what only Dagster knows: runs that died without their drain noting it."""

import dagster as dg
from running import Running, woken
from scenario import DAY_ONE, DEPOTS, HEADER

from opsintel_dagster.ledger import attempts, breakers
from opsintel_dagster.ledger.breakers import outcome_breaker


def heal(running: Running, cursor: str | None) -> str:
    """One tick of the healer; returns its cursor."""
    sensor = running.repository.get_sensor_def("opsintel_healer")
    context = dg.build_sensor_context(
        instance=running.instance, repository_def=running.repository, cursor=cursor
    )
    with context:
        return str(sensor.evaluate_tick(context).cursor)


def dead_run(running: Running, **tags: str) -> str:
    """A run whose worker was killed: nobody wrote a step failure."""
    job = running.repository.get_job("opsintel_drain")
    run = running.instance.create_run_for_job(
        job,
        tags={"opsintel/outcome": "parcels", **tags},
        status=dg.DagsterRunStatus.STARTED,
    )
    running.instance.report_run_failed(run, "the process was killed")
    return run.run_id


def noted(running: Running) -> list[tuple[str, str | None]]:
    with running.operation.installation.ledger.read() as connection:
        found = attempts.unsettled(connection, ["parcels"])
    return [(row.failure_class, row.run_id) for row in found]


def test_what_failed_before_anybody_watched_is_no_news(running):
    running.begin()
    dead_run(running)
    cursor = heal(running, None)
    assert heal(running, cursor) == cursor
    assert noted(running) == []


def test_a_run_that_died_is_noted_once_and_keeps_the_outcome_from_being_woken_at_once(running):
    running.begin()
    cursor = heal(running, None)
    run_id = dead_run(running)
    running.operation.drop("parcels", "day2.csv", HEADER + "P9,HAM,3,\n")
    assert woken(running.tick()) == ["parcels"]
    cursor = heal(running, cursor)
    heal(running, "0")
    ((failure_class, of_run),) = noted(running)
    assert of_run == run_id
    assert failure_class in ("transient", "unknown", "dependency_down")
    assert woken(running.tick()) == []
    assert "stopped or not due yet: parcels" in running.tick().skip_message
    run = running.instance.get_run_by_id(run_id)
    assert run.tags["opsintel/failure_class"] == failure_class


def test_a_run_that_dagster_starts_again_is_left_to_it(running):
    running.begin()
    cursor = heal(running, None)
    dead_run(running, **{"dagster/will_retry": "true"})
    heal(running, cursor)
    assert noted(running) == []


def test_a_drain_that_comes_through_settles_what_the_run_before_died_of(running):
    running.begin()
    cursor = heal(running, None)
    dead_run(running)
    heal(running, cursor)
    with running.operation.installation.ledger.write() as connection:
        name = outcome_breaker("parcels")
        connection.execute(
            breakers.breaker.update()
            .where(breakers.breaker.c.name == name)
            .values(retry_at=breakers.breaker.c.opened_at)
        )
    running.operation.drop("parcels", "day2.csv", HEADER + "P9,HAM,3,\n")
    (request,) = running.tick().run_requests
    assert request.tags["opsintel/attempt"] == "2"
    assert request.tags["opsintel/healed_by"] == "opsintel_arrivals"
    running.run()
    assert noted(running) == []
    with running.operation.installation.ledger.read() as connection:
        assert breakers.find(connection, outcome_breaker("parcels")) is None


def test_what_the_drain_noted_itself_is_not_noted_again(running):
    running.begin()
    cursor = heal(running, None)
    running.operation.drop("parcels", "day2.csv", DAY_ONE.replace("P1", "R1"))
    store = running.operation.root / ".opsintel" / "store" / "parcels"
    store.rename(store.with_name("away"))
    store.write_text("a file where a folder should be")
    result = running.run(raise_on_error=False)
    assert not result.success
    assert len(noted(running)) == 1
    heal(running, cursor)
    assert len(noted(running)) == 1


def test_a_failed_run_of_something_else_is_nobodys_business(running):
    running.operation.drop("depots", "depots.csv", DEPOTS)
    running.run("depots")
    cursor = heal(running, None)

    @dg.op
    def fails() -> None:
        raise ValueError("not ours")

    @dg.job
    def theirs() -> None:
        fails()

    theirs.execute_in_process(instance=running.instance, raise_on_error=False)
    heal(running, cursor)
    assert noted(running) == []
