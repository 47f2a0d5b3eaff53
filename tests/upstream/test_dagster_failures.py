"""How a step fails, and how often Dagster tries it."""

from collections.abc import Callable

import dagster as dg
import pytest


def tries(instance: dg.DagsterInstance, failing: Callable[[], None]) -> int:
    """How often a step that fails so is tried."""
    count = 0

    @dg.asset(key=["o", "delivered"], retry_policy=dg.RetryPolicy(max_retries=2))
    def delivered() -> None:
        nonlocal count
        count += 1
        failing()

    assert not dg.materialize([delivered], instance=instance, raise_on_error=False).success
    return count


def fail_for_good() -> None:
    raise dg.Failure("the receiver refuses", allow_retries=False, metadata={"records": 3})


def ask_again() -> None:
    raise dg.RetryRequested(max_retries=1, seconds_to_wait=0)


def break_down() -> None:
    raise OSError("the receiver is away")


@pytest.mark.parametrize(
    ("failing", "expected"), [(fail_for_good, 1), (ask_again, 2), (break_down, 3)]
)
def test_how_often_a_failing_step_is_tried(instance, failing, expected):
    assert tries(instance, failing) == expected


def test_the_metadata_of_a_failure_and_the_chain_of_its_causes_are_kept(instance):
    @dg.asset
    def delivered() -> None:
        try:
            break_down()
        except OSError as error:
            raise dg.Failure("not delivered", metadata={"records": 3}) from error

    result = dg.materialize([delivered], instance=instance, raise_on_error=False)
    failure = result.failure_data_for_node("delivered")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.metadata["records"].value == 3
    assert failure.error is not None
    assert failure.error.cause is not None
    assert failure.error.cause.cls_name == "OSError"
