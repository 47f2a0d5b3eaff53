"""A decision table kept as a CSV file next to `defs.yaml`, for people with a spreadsheet."""

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome import Finding, Route
from opsintel_dagster.outcome.declared import Origin

REQUIRED = ("to", "when")
COLUMNS = (*REQUIRED, "name")


def read_routes_csv(path: Path) -> tuple[Route, ...]:
    """Read the routes of a CSV decision table with the columns `to`, `when` and perhaps `name`.

    An empty `when` takes every row and stands last. Blank lines are skipped.

    Raises:
        DeclarationError: with a finding, file and line, for everything that is wrong.
    """
    lines = _read_lines(path)
    header_line, header = lines[0]
    if unknown := [name for name in header if name not in COLUMNS]:
        raise _refused(
            path, header_line, f"no such column: {', '.join(unknown)}", "use to, when and name"
        )
    if missing := [name for name in REQUIRED if name not in header]:
        raise _refused(
            path, header_line, f"column {', '.join(missing)} is missing", "begin with to,when,name"
        )
    if len(set(header)) < len(header):
        raise _refused(path, header_line, "a column stands twice", "begin with to,when,name")
    routes: list[Route] = []
    findings: list[Finding] = []
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            what = f"{len(cells)} cells where the header has {len(header)}"
            findings.append(_finding(path, line, what, "quote a condition that holds a comma"))
            continue
        if routes and routes[-1].when is None:
            what = "a rule after the one without a condition, which takes every row"
            findings.append(_finding(path, line, what, "move the rule without a condition last"))
        values = {name: cell or None for name, cell in zip(header, cells, strict=True)}
        origin = Origin(source=path.name, positions={(): f"{path}:{line}:1"})
        try:
            routes.append(
                Route.model_validate({**values, "to": values["to"] or ""}, context=origin)
            )
        except DeclarationError as error:
            findings += error.findings
    if findings:
        raise DeclarationError(findings)
    if not routes:
        raise _refused(path, header_line, "no rule below the header", "add one rule a line")
    return tuple(routes)


def _read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """The records of the file, cells stripped, each with the line it begins on."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise _refused(
            path, 1, f"cannot be read ({error.strerror})", "correct the path in routes"
        ) from None
    except UnicodeDecodeError:
        raise _refused(path, 1, "is not UTF-8", "save the table as UTF-8") from None
    try:
        lines = list(_records(text))
    except csv.Error as error:
        raise _refused(path, 1, f"is not CSV ({error})", "quote cells with double quotes") from None
    if not lines:
        raise _refused(path, 1, "is empty", "begin with to,when,name")
    return lines


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    line = 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield line, [cell.strip() for cell in cells]
        line = reader.line_num + 1


def _finding(path: Path, line: int, what: str, fix: str) -> Finding:
    return Finding(where="routes", what=what, fix=fix, position=f"{path}:{line}:1")


def _refused(path: Path, line: int, what: str, fix: str) -> DeclarationError:
    return DeclarationError([_finding(path, line, what, fix)])
