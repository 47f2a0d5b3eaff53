"""Which link of a chain decides, by whose rule, and how long is waited."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from raised import answered, chained, faked, httpx_answered, os_error

from opsintel_dagster.errors import DeliveryRefused, ReceiverDown, SourceUnreadable
from opsintel_dagster.healing import Link, classify, classify_links, links_of
from opsintel_dagster.healing.message_facts import facts_of, wait_of
from opsintel_dagster.outcome import FailureClass, FailureRule


def rule(**said: Any) -> FailureRule:
    return FailureRule(**{"failure_class": FailureClass.DRIFT, **said})


def test_what_lies_below_a_receiver_that_is_down_says_why() -> None:
    failure = classify(chained(ReceiverDown("desk", "x"), PermissionError(13, "no")))
    assert failure.failure_class == "permission"
    assert failure.rule == "shipped: PermissionError"
    assert failure.reason == "PermissionError: [Errno 13] no"


def test_a_receiver_that_is_down_says_more_than_a_key_that_was_not_in_a_cache() -> None:
    assert classify(chained(ReceiverDown("d", "x"), KeyError("k"))).failure_class == (
        "dependency_down"
    )


def test_of_two_decisive_errors_the_outer_one_decides() -> None:
    error = chained(DeliveryRefused("d", "x"), SourceUnreadable("a", "b"))
    assert classify(error).failure_class == "refused"


def test_what_was_tried_first_does_not_decide() -> None:
    error = requests.ConnectTimeout("slow")
    error.__context__ = KeyError("not in the cache")
    assert [link.name for link in links_of(error)] == ["ConnectTimeout", "KeyError"]
    assert classify(error).failure_class == "transient"


def test_a_suppressed_context_is_not_looked_at() -> None:
    error = RuntimeError("hidden")
    error.__context__ = PermissionError(13, "no")
    assert classify(error).failure_class == "permission"
    error.__suppress_context__ = True  # as `from None` does
    assert [link.name for link in links_of(error)] == ["RuntimeError"]


def test_a_circle_of_causes_ends() -> None:
    one, other = RuntimeError("one"), OSError("other")
    one.__cause__, other.__cause__ = other, one
    assert [link.name for link in links_of(one)] == ["RuntimeError", "OSError"]


def test_a_chain_without_end_is_cut() -> None:
    assert len(links_of(chained(*(RuntimeError(str(at)) for at in range(5_000))))) == 200


def test_the_members_of_a_group_and_what_a_wrapper_keeps_are_links() -> None:
    kept = faked("sqlalchemy.exc", "StatementError")("x")
    kept.orig = os_error("ENOSPC")
    group = ExceptionGroup("g", [ValueError("v"), kept])
    names = [link.name for link in links_of(group)]
    assert names == ["ExceptionGroup", "ValueError", "StatementError", "OSError"]
    assert classify(group).failure_class == "dependency_down"


class HostileError(Exception):
    """Everything one may ask of it raises."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    def __getattr__(self, name: str) -> Any:
        raise OSError(name)


def test_an_exception_whose_properties_raise_is_classified_all_the_same() -> None:
    failure = classify(HostileError())
    assert (failure.failure_class, failure.reason) == ("unknown", "HostileError")


def test_an_outcomes_own_rules_come_first_and_the_first_that_fits_decides() -> None:
    error = chained(DeliveryRefused("desk", "x"), requests.ConnectTimeout("slow"))
    rules = (rule(exception="httpx"), rule(exception="requests", message="SLOW"))
    failure = classify(error, rules)
    assert (failure.failure_class, failure.rule) == ("drift", "healing.failures[1]")
    assert failure.reason == "ConnectTimeout: slow"


@pytest.mark.parametrize(
    "written",
    [
        "requests",
        "requests.exceptions",
        "requests.exceptions.ConnectTimeout",
        "requests.exceptions.Timeout",  # an ancestor
        "requests.Timeout",  # as it is imported
        "OSError",
    ],
)
def test_a_rule_names_a_class_an_ancestor_or_a_package(written: str) -> None:
    assert classify(requests.ConnectTimeout("x"), (rule(exception=written),)).failure_class == (
        "drift"
    )


@pytest.mark.parametrize(
    "written", ["request", "requests.exceptions.Conn", "Timeout", "ValueError"]
)
def test_a_rule_of_something_else_does_not_fit(written: str) -> None:
    assert classify(requests.ConnectTimeout("x"), (rule(exception=written),)).failure_class == (
        "transient"
    )


def test_a_rule_fits_a_class_of_which_only_the_bare_name_is_known() -> None:
    link = Link(("Timeout",), "x")
    assert classify_links([link], (rule(exception="shop.client.Timeout"),)).failure_class == "drift"


def test_a_failure_that_forbids_retries_is_not_tried_again() -> None:
    final = faked("dagster._core.definitions.events", "Failure")("given up")
    final.allow_retries = False
    assert classify(chained(final, TimeoutError())).failure_class == "bug"
    final = faked("dagster._core.definitions.events", "Failure")("given up")
    final.allow_retries = False
    assert classify(chained(final, PermissionError(13, "x"))).failure_class == "permission"


def test_nothing_is_known_of_no_links() -> None:
    assert classify_links(()).failure_class == "unknown"


def test_a_reason_is_one_masked_line_of_a_bounded_length() -> None:
    failure = classify(RuntimeError("at http://me:secret@host/x " + "y" * 900 + "\nmore"))
    assert failure.reason.startswith("RuntimeError: at http://me:***@host/x yyy")
    assert len(failure.reason) == 500
    assert "\n" not in failure.reason


@pytest.mark.parametrize("make", [answered, httpx_answered])
def test_an_answer_says_how_long_to_wait(make: Any) -> None:
    failure = classify(chained(ReceiverDown("desk", "busy"), make(503, Retry_After="7")))
    assert failure.failure_class == "rate_limited"
    assert failure.rule == "shipped: HTTP status 503 with Retry-After"
    assert failure.retry_after == timedelta(seconds=7)


def test_botocore_keeps_its_answer_elsewhere() -> None:
    error = faked("botocore.exceptions", "Odd")("odd")
    headers = {"retry-after": "3"}
    error.response = {"ResponseMetadata": {"HTTPStatusCode": 429, "HTTPHeaders": headers}}
    assert classify(error).retry_after == timedelta(seconds=3)
    assert classify(error).failure_class == "rate_limited"


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 1.5 ", 1.5),
        (30, 30),
        (b"5", 5),
        ("999999", 86_400),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60),
        ("Sun, 01 Mar 2126 12:01:00 GMT", 86_400),
        ("Sun, 01 Mar 2026 11:00:00 GMT", None),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
        (True, None),
        ([], None),
    ],
)
def test_a_wait_is_seconds_or_a_date_a_day_at_most(value: object, seconds: float | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert wait_of(value, NOON) == expected


@given(st.text() | st.floats() | st.binary())
def test_garbage_is_never_an_error_and_never_a_long_wait(value: object) -> None:
    wait = wait_of(value)
    assert wait is None or timedelta(0) <= wait <= timedelta(days=1)


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("429 Client Error: Too Many Requests for url: http://x", 429),
        ("Server error '503 Service Unavailable' for url 'http://x'", 503),
        ("HTTP Error 502: Bad Gateway", 502),
        ("503, message='Service Unavailable'", 503),
        ("too many 500 error responses", 500),
        ("An error occurred (503) when calling the Get operation", 503),
        ("answered with status code 404", 404),
        ("429 records were read", None),
        ("line 500: Not found", None),
    ],
)
def test_a_status_is_read_where_a_message_names_one(message: str, status: int | None) -> None:
    assert facts_of(message).status == status


def test_a_wait_is_read_where_a_message_names_one() -> None:
    assert facts_of("429 Too Many Requests; Retry-After: 12").retry_after == timedelta(seconds=12)
    assert facts_of("retry after 5 minutes").retry_after is None


def test_no_library_is_imported_to_be_recognized() -> None:
    code = (
        "import sys\n"
        "from opsintel_dagster.healing import classify\n"
        "from opsintel_dagster.healing.traceback_text import links_of_text\n"
        "classify(type('Odd', (OSError,), {'__module__': 'requests.exceptions'})('x'))\n"
        "links_of_text('psycopg2.OperationalError: x')\n"
        "heavy = {'requests', 'httpx', 'urllib3', 'psycopg2', 'psycopg', 'botocore', 'dagster', "
        "'sqlalchemy'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
