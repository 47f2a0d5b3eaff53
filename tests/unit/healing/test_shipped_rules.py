"""What the shipped table says of exceptions as libraries raise them."""

import importlib
import inspect
import re
import traceback
from contextlib import suppress

import pytest
from raised import SEEN, StateError, answered, faked

from opsintel_dagster import errors
from opsintel_dagster.healing import Link, classify, classify_links
from opsintel_dagster.healing.chains import class_path
from opsintel_dagster.healing.shipped_rules import SHIPPED
from opsintel_dagster.healing.traceback_text import links_of_text
from opsintel_dagster.outcome import SYMPTOM_RULES, FailureClass, FailureRule

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


def there_at(path: str) -> object:
    """What stands at a dotted path: a package, or a class in one."""
    with suppress(ModuleNotFoundError):
        return importlib.import_module(path)
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module or "builtins"), name)


INSTALLED = {
    *("opsintel_dagster", "socket", "ssl", "json", "http", "urllib", "csv", "_csv", "gzip", "zlib"),
    *("sqlalchemy", "psycopg2", "psycopg", "sqlite3", "requests", "httpx", "httpcore", "urllib3"),
    *("fsspec", "polars", "pandera", "dagster", "asyncio", "concurrent", "zipfile"),
}


@pytest.mark.parametrize("top", sorted(INSTALLED))
def test_what_the_table_names_is_there_under_that_path(top: str) -> None:
    paths = {row.exception for row in SHIPPED if (row.exception or "").split(".")[0] == top}
    assert paths
    for path in sorted(filter(None, paths)):
        there = there_at(path)
        if isinstance(there, type):
            assert path in {class_path(there), "csv.Error", "ssl.CertificateError"}, path


def test_a_symptom_is_drift_and_its_rule_may_be_named_by_an_outcome() -> None:
    link = Link((SYMPTOM_RULES["volume"],), "3 records, of 1,000 to 1,200")
    assert classify_links([link]).failure_class == "drift"
    assert classify_links([link]).reason == "volume: 3 records, of 1,000 to 1,200"
    rule = FailureRule(exception="arrival.volume", failure_class=FailureClass.TRANSIENT)
    assert classify_links([link], (rule,)).failure_class == "transient"


def test_a_refusal_of_ours_is_one_whatever_its_cause_or_its_words() -> None:
    refused = errors.DeliveryRefused("desk", "503 Service Unavailable")
    refused.__cause__ = answered(429)
    assert classify(refused).failure_class == "refused"


def test_the_values_of_a_statement_are_no_words_about_the_failure() -> None:
    made = faked("sqlalchemy.exc", "ProgrammingError")
    said = "(driver) odd\n[SQL: INSERT]\n[parameters: ('permission denied',)]"
    assert classify(made(said)).failure_class == "bug"
    taken = faked("psycopg2.errors", "UniqueViolation")
    said = "duplicate key\nDETAIL: Key (note)=(HTTP 503 Service Unavailable) already exists."
    assert classify(taken(said)).failure_class == "refused"


def test_a_class_whose_module_nobody_kept_is_found_by_its_name() -> None:
    for name, expected in (("ConnectTimeout", "transient"), ("DeliveryRefused", "refused")):
        [link] = links_of_text(f"Traceback (most recent call last):\n{name}: x")
        assert classify_links([link]).failure_class == expected


def test_a_bare_name_of_python_is_that_of_python() -> None:
    assert "requests" not in classify(ConnectionError("x")).rule
    [link] = links_of_text("ConnectionError: x")
    assert classify_links([link]).rule == "shipped: ConnectionError"
