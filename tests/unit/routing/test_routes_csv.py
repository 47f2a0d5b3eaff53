from pathlib import Path

import pytest

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome import Route
from opsintel_dagster.routing import read_routes_csv


def table(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "routes.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(DeclarationError) as caught:
        read_routes_csv(path)
    return [str(finding) for finding in caught.value.findings]


def test_a_table_from_a_spreadsheet_reads_as_routes(tmp_path: Path) -> None:
    text = (
        "\ufeffto,when,name\r\n"
        "rebooking,dep_time IS NULL,cancelled\r\n"
        "\r\n"
        "care,\"carrier IN ('UA', 'AA')\r\nAND dep_delay >= 180\",\r\n"
        "gate,,\r\n"
    )
    assert read_routes_csv(table(tmp_path, text)) == (
        Route(to="rebooking", when="dep_time IS NULL", name="cancelled"),
        Route(to="care", when="carrier IN ('UA', 'AA')\nAND dep_delay >= 180"),
        Route(to="gate"),
    )


def test_the_name_column_may_be_absent_and_the_order_is_free(tmp_path: Path) -> None:
    path = table(tmp_path, "when,to\ndep_delay > 3,gate\n")
    assert read_routes_csv(path) == (Route(to="gate", when="dep_delay > 3"),)


def test_every_bad_line_is_reported_with_file_and_line(tmp_path: Path) -> None:
    path = table(tmp_path, 'to,when\nGate,"a > 1\n"\n,b > 1\ncare,c,d\nrest,\ngate,a > 2\n')
    found = problems(path)
    assert [one.partition(": ")[0].rsplit(":", 2)[1] for one in found] == ["2", "4", "5", "7"]
    assert all(str(path) in one for one in found)
    assert "write `gate`" in found[0]
    assert "3 cells where the header has 2" in found[2]
    assert "takes every row" in found[3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        ("to,when\n", "no rule below the header"),
        ("to,if\ngate,a\n", "no such column: if"),
        ("to\ngate\n", "column when is missing"),
        ("to,when,to\n", "a column stands twice"),
        ('to,when\ngate,"a > 1\n', "is not CSV"),
        (b"to,when\ngate,a = '\xe9'\n", "is not UTF-8"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str | bytes, expected: str) -> None:
    [only] = problems(table(tmp_path, text))
    assert expected in only
    assert "routes.csv:1:1" in only


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    [only] = problems(tmp_path / "absent.csv")
    assert "cannot be read (No such file or directory)" in only
