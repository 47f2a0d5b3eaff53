"""What users import, and what importing costs."""

import subprocess
import sys

import pytest

import opsintel_dagster


def test_public_names_are_listed_before_they_are_imported():
    code = (
        "import opsintel_dagster; print(dir(opsintel_dagster) == sorted(opsintel_dagster.__all__))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_a_name_that_is_not_there_is_refused_as_python_does():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = opsintel_dagster.nonsense


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import opsintel_dagster", ("dagster", "polars", "pandera", "pydantic", "sqlalchemy")),
        ("from opsintel_dagster import Outcome", ("dagster", "pandera", "sqlalchemy")),
        ("from opsintel_dagster import read", ("dagster",)),
        ("import opsintel_dagster.verification", ("dagster", "ibis")),
        ("import opsintel_dagster.orchestration.drain", ("dagster", "ibis")),
        ("import opsintel_dagster.orchestration.waking", ("dagster",)),
    ],
)
def test_importing_one_thing_does_not_import_the_rest(statement, absent):
    code = f"{statement}\nimport sys\nprint([n for n in {absent!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
