"""What Dagster keeps of the failures of a run, read as chains."""

import dagster as dg
import pytest

from opsintel_dagster.healing import classify_links
from opsintel_dagster.orchestration.run_failures import failures_of_run


class MissingError(Exception):
    pass


@dg.asset
def wrapped() -> None:
    try:
        raise PermissionError(13, "not yours")
    except OSError as error:
        raise dg.Failure("not delivered", metadata={"records": 3}) from error


@dg.asset
def broken() -> None:
    raise MissingError("first line\nsecond: line")


@dg.asset(deps=[wrapped])
def later() -> None: ...


def test_the_failures_of_a_run_are_those_of_its_steps_with_their_chains(instance):
    result = dg.materialize([wrapped, broken, later], instance=instance, raise_on_error=False)
    found = {one.stage: one for one in failures_of_run(instance, result.run_id)}
    assert set(found) == {"wrapped", "broken"}
    assert [link.name for link in found["wrapped"].links] == ["Failure", "PermissionError"]
    assert found["wrapped"].metadata == {"records": 3}
    assert classify_links(found["wrapped"].links).failure_class == "permission"
    outer, inner = found["broken"].links
    assert outer.paths == ("dagster._core.errors.DagsterExecutionStepExecutionError",)
    assert inner.paths == (f"{__name__}.MissingError",)
    assert inner.message == "first line\nsecond: line"


def test_a_run_that_succeeded_or_is_unknown_has_no_failures(instance):
    result = dg.materialize([later], instance=instance)
    assert failures_of_run(instance, result.run_id) == []
    assert failures_of_run(instance, "no-such-run") == []


def test_a_step_that_was_tried_again_has_failed_once(instance):
    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def stubborn() -> None:
        raise TimeoutError

    result = dg.materialize([stubborn], instance=instance, raise_on_error=False)
    [failure] = failures_of_run(instance, result.run_id)
    assert classify_links(failure.links).failure_class == "transient"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Run worker process was terminated by signal 9 (SIGKILL).", "transient"),
        ("Exceeded maximum runtime of 60 seconds.", "transient"),
        ("Something else.", "unknown"),
    ],
)
def test_a_run_that_failed_without_a_step_tells_what_the_run_says(instance, said, expected):
    job = dg.Definitions([later], jobs=[dg.define_asset_job("all")]).resolve_job_def("all")
    run = instance.create_run_for_job(job)
    instance.report_run_failed(run, said)
    [failure] = failures_of_run(instance, run.run_id)
    assert failure.stage is None
    assert failure.links[0].message == said
    assert classify_links(failure.links).failure_class == expected
