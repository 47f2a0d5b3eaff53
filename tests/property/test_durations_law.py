from datetime import timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from opsintel_dagster.outcome import DurationError, format_duration, parse_duration

LENGTHS = st.timedeltas(min_value=timedelta(0), max_value=timedelta.max)


@given(LENGTHS)
@example(timedelta.max)
def test_what_is_written_is_read_back_as_the_same_duration(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(st.text(alphabet="0123456789.dhmsPTWDHMSY- ", max_size=12) | st.text(max_size=8))
def test_a_text_is_a_length_of_time_or_refused_with_a_fix(text: str) -> None:
    refused = None
    try:
        duration = parse_duration(text)
    except DurationError as error:
        refused = error
    assert (refused.what and refused.fix) if refused else duration >= timedelta(0)
