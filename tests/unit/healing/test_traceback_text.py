"""A pasted text tells of the same chain as the exception it was printed from."""

import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raised import SEEN

from opsintel_dagster.healing import classify, classify_links, links_of
from opsintel_dagster.healing.traceback_text import link_of_stored, links_of_text


def _again(error: BaseException) -> BaseException:
    """The same class with the same words, and without a chain of its own."""
    try:
        made = type(error)(*error.args)
    except TypeError:  # some of ours are built of more than they say
        return RuntimeError(str(error))
    return made if str(made) == str(error) else RuntimeError(str(error))


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")))
MESSAGES = st.lists(WORDS.map(str.strip), max_size=3).map("\n".join).map(str.strip)
FRESH = st.one_of(
    st.builds(
        lambda cls, said: cls(said),
        st.sampled_from([ValueError, RuntimeError, LookupError, ConnectionResetError]),
        MESSAGES.filter(lambda said: "\n|" not in f"\n{said}".replace(" ", "")),
    ),
    st.sampled_from([13, 28, 104, 110]).map(lambda number: OSError(number, "said the system")),
    st.sampled_from([error for error, _ in SEEN]).map(_again),
)


def join(errors: list[BaseException], causes: list[bool]) -> BaseException:
    for outer, inner, is_cause in zip(errors, errors[1:], causes, strict=False):
        if is_cause:
            outer.__cause__ = inner
        else:
            outer.__context__ = inner
            outer.__suppress_context__ = False
    return errors[0]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(FRESH, min_size=1, max_size=5),
    st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_a_chain_is_read_from_its_text(errors: list[BaseException], causes: list[bool]) -> None:
    error = join(errors, causes)
    live = links_of(error)
    read = links_of_text("".join(traceback.format_exception(error)))
    assert [one.paths[0] for one in read] == [one.paths[0] for one in live]
    assert [one.message for one in read] == [one.message.strip() for one in live]
    assert classify_links(read) == classify(error)


def test_a_message_of_many_lines_is_kept_whole() -> None:
    text = "Traceback (most recent call last):\n  File x\n    y\nmy.Odd: one\n\ntwo: three\n"
    [link] = links_of_text(text)
    assert (link.paths, link.message) == (("my.Odd",), "one\n\ntwo: three")


def test_a_group_and_its_members_are_read() -> None:
    group = ExceptionGroup("g", [OSError(28, "full"), ExceptionGroup("h", [KeyError("k")])])
    text = "".join(traceback.format_exception(group))
    names = [link.name for link in links_of_text(text)]
    assert names == ["ExceptionGroup", "OSError", "ExceptionGroup", "KeyError"]


STEP = """
2026-03-01 12:00:00 +0000 - dagster - ERROR - job - 1 - STEP_FAILURE - step "x" failed.

dagster._core.errors.DagsterExecutionStepExecutionError: Error occurred while executing op "x"::

requests.exceptions.HTTPError: 429 Client Error: Too Many Requests for url: http://x

Stack Trace:
  File "/x.py", line 1, in f
    raise error

The above exception was caused by the following exception:
ConnectionResetError: [Errno 104] Connection reset by peer

Stack Trace:
  File "/x.py", line 1, in f

2026-03-01 12:00:01 +0000 - dagster - ERROR - job - 1 - RUN_FAILURE - failed.
"""


def test_the_log_of_a_step_is_read_outermost_first() -> None:
    names = [link.name for link in links_of_text(STEP)]
    assert names == ["DagsterExecutionStepExecutionError", "HTTPError", "ConnectionResetError"]
    assert links_of_text(STEP)[1].status == 429


def test_lines_of_a_log_after_a_traceback_are_not_its_message() -> None:
    text = "Traceback (most recent call last):\nKeyError: 'x'\n2026-03-01 12:00:01 INFO next"
    assert links_of_text(text)[0].message == "'x'"


@pytest.mark.parametrize("line", ["KeyError: 'x'", "requests.Timeout: x", "my.Odd", "OSError"])
def test_the_last_line_of_a_traceback_is_enough(line: str) -> None:
    assert len(links_of_text(line)) == 1


@pytest.mark.parametrize("text", ["", "\n\n", "all is well", "note: this", "http://x: y"])
def test_a_text_without_an_exception_tells_of_none(text: str) -> None:
    assert links_of_text(text) == ()


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    links_of_text(text)


def test_what_dagster_stores_has_the_path_in_its_message_or_the_bare_name() -> None:
    assert link_of_stored("a.b.Odd: said\n", "Odd").paths == ("a.b.Odd",)
    assert link_of_stored("said: so\n", "Odd").paths == ("Odd",)
    assert link_of_stored("said", None).paths == ()
