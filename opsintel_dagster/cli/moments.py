"""Moments as people write them: a date, or how long ago."""

from datetime import UTC, datetime

import typer

from opsintel_dagster.outcome.durations import DurationError, parse_duration


def moment_of(text: str | None) -> datetime | None:
    """The moment; None: the beginning.

    Raises:
        typer.BadParameter: it is neither a date nor a duration.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        return datetime.now(UTC) - parse_duration(text)
    except DurationError as error:
        message = f"--since takes a date (`2026-11-01`) or a duration (`30d`): {error}"
        raise typer.BadParameter(message) from error
