"""What the shipped table says of exceptions as libraries raise them."""

import inspect
import re
import traceback

import pytest
from raised import SEEN, StateError, answered, faked

from opsintel_dagster import errors
from opsintel_dagster.healing import classify, classify_links
from opsintel_dagster.healing.shipped_rules import SHIPPED
from opsintel_dagster.healing.traceback_text import links_of_text

NAMES = [f"{type(error).__name__}-{str(error)[:30]}-{expected}" for error, expected in SEEN]


@pytest.mark.parametrize(("error", "expected"), SEEN, ids=NAMES)
def test_a_failure_is_of_this_class_and_its_text_too(error: BaseException, expected: str) -> None:
    assert classify(error).failure_class == expected
    text = "".join(traceback.format_exception(error))
    assert classify_links(links_of_text(text)).failure_class == expected


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("08001", "dependency_down"),
        ("08006", "transient"),
        ("40001", "transient"),
        ("40P01", "transient"),
        ("53100", "dependency_down"),
        ("53300", "transient"),
        ("57P01", "dependency_down"),
        ("57P03", "dependency_down"),
        ("28P01", "permission"),
        ("42501", "permission"),
        ("42P01", "contract"),
        ("42601", "bug"),
        ("23505", "refused"),
        ("22003", "refused"),
    ],
)
def test_the_sqlstate_decides_where_a_driver_gives_one(sqlstate: str, expected: str) -> None:
    failure = classify(StateError(sqlstate))
    assert failure.failure_class == expected
    assert failure.rule.startswith("shipped: SQLSTATE ")


def test_every_error_of_ours_that_can_be_raised_has_a_row() -> None:
    ours = {
        f"{one.__module__}.{name}"
        for name, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, errors.OpsintelError)
    }
    without = {"opsintel_dagster.errors.OpsintelError", "opsintel_dagster.errors.RunFailed"}
    assert ours - without <= {row.exception for row in SHIPPED}


def test_every_row_can_decide_and_none_is_written_twice() -> None:
    rows = [(row.exception, row.message) for row in SHIPPED]
    assert len(rows) == len(set(rows))
    for _, message in rows:
        re.compile(message or "")


def test_a_refusal_of_ours_is_one_whatever_its_cause_or_its_words() -> None:
    refused = errors.DeliveryRefused("desk", "503 Service Unavailable")
    refused.__cause__ = answered(429)
    assert classify(refused).failure_class == "refused"


def test_the_values_of_a_statement_are_no_words_about_the_failure() -> None:
    made = faked("sqlalchemy.exc", "ProgrammingError")
    said = "(driver) odd\n[SQL: INSERT]\n[parameters: ('permission denied',)]"
    assert classify(made(said)).failure_class == "bug"


def test_a_class_whose_module_nobody_kept_is_found_by_its_name() -> None:
    for name, expected in (("ConnectTimeout", "transient"), ("DeliveryRefused", "refused")):
        [link] = links_of_text(f"Traceback (most recent call last):\n{name}: x")
        assert classify_links([link]).failure_class == expected


def test_a_bare_name_of_python_is_that_of_python() -> None:
    assert "requests" not in classify(ConnectionError("x")).rule
    [link] = links_of_text("ConnectionError: x")
    assert classify_links([link]).rule == "shipped: ConnectionError"
