"""Calls that may hang, made so that their caller never does."""

from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from threading import Thread
from typing import TypeVar

from opsintel_dagster.errors import OpsintelError, SourceDown

T = TypeVar("T")

_hanging: dict[str, Thread] = {}


def within(deadline: timedelta, place: str, call: Callable[[], T]) -> T:
    """Make `call` in a thread of its own and wait for it no longer than `deadline`.

    A thread that hangs in a file system cannot be stopped. It is left behind as a daemon, and while
    it hangs no second one is started for the same place, so that polling leaks one thread and not
    one each time.

    Raises:
        SourceDown: There was no answer in time, or the file system failed.
    """
    if (earlier := _hanging.get(place)) is not None:
        if earlier.is_alive():
            raise SourceDown(place, "an earlier look at it still has no answer")
        del _hanging[place]
    answer: Future[T] = Future()
    thread = Thread(target=_give, args=(answer, call), name=f"look at {place}", daemon=True)
    thread.start()
    try:
        return answer.result(timeout=deadline.total_seconds())
    except OpsintelError:
        raise
    except Exception as error:
        if not answer.done():
            _hanging[place] = thread
            seconds = deadline.total_seconds()
            raise SourceDown(place, f"no answer within {seconds:g} s") from error
        raise SourceDown(place, f"{type(error).__name__}: {error}") from error


def _give(answer: "Future[T]", call: Callable[[], T]) -> None:
    try:
        answer.set_result(call())
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
        answer.set_exception(error)
