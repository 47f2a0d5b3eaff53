"""A message through Apprise, a call to a dead-man URL: what comes of it, what stays secret."""

import logging
import socket
import threading

import pytest
from watched import Desk

from opsintel_dagster.watching import AppriseSender, ping
from opsintel_dagster.watching.quiet import without_secrets

HIDDEN = "hidden-token"


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_what_is_sent_arrives_with_title_and_body(desk: Desk) -> None:
    assert AppriseSender().send(desk.url(), "A title", "**A** body") is None
    (taken,) = desk.taken
    assert (taken["title"], taken["message"]) == ("A title", "**A** body")


def test_neither_failures_nor_logs_hold_a_part_of_the_url(
    desk: Desk, closed_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    desk.answers = [403]
    urls = [
        f"{desk.url(HIDDEN)}?x={HIDDEN}",
        f"json://user:{HIDDEN}@127.0.0.1:{closed_port}/{HIDDEN}",
        f"slack://{HIDDEN}",
        f"nonsense://{HIDDEN}",
        HIDDEN,
    ]
    failures = [AppriseSender().send(url, "t", "b") for url in urls]
    failures.append(ping(f"http://127.0.0.1:{closed_port}/{HIDDEN}"))
    failures.append(ping(f"http://{HIDDEN}:x/"))
    assert all(failures), failures
    assert HIDDEN not in str(failures)
    assert HIDDEN not in caplog.text
    assert "403" in str(failures[0])


def test_what_a_plugin_says_of_its_url_is_masked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def notify(_: object, **_options: object) -> bool:
        logging.getLogger("apprise").warning("Failed: %s", desk.url(HIDDEN))
        return False

    monkeypatch.setattr("apprise.Apprise.notify", notify)
    assert AppriseSender().send(desk.url(HIDDEN), "t", "b") == "Failed: json://***:***/***"


def test_after_a_send_others_may_log_again(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    AppriseSender().send(desk.url(), "t", "b")
    logging.getLogger("apprise").warning("of somebody else")
    assert "of somebody else" in caplog.text


def test_a_channel_that_does_not_answer_is_given_up(desk: Desk) -> None:
    desk.waits = threading.Event()
    failure = AppriseSender(within_seconds=0.2).send(desk.url(), "t", "b")
    desk.waits.set()
    assert failure == "no answer within 0.2 s; it may have arrived"


def test_a_ping_says_whether_somebody_heard_it(desk: Desk) -> None:
    desk.answers = [200, 404]
    url = f"http://127.0.0.1:{desk.port}/dead-man"
    assert ping(url) is None
    assert ping(url) == "it answered 404"
    assert desk.asked == ["/dead-man", "/dead-man"]


def test_a_ping_waits_no_longer_than_it_is_told(desk: Desk) -> None:
    desk.waits = threading.Event()
    failure = ping(f"http://127.0.0.1:{desk.port}/", timeout=0.2)
    desk.waits.set()
    assert failure is not None
    assert "0.2 s" in failure


def test_what_is_written_encoded_in_a_url_is_a_secret_in_clear_too() -> None:
    url = "mailto://me:p%40ssword@example.com?key=abc"
    said = "SMTPError: p@ssword p%40ssword abc mailto"
    assert without_secrets(said, url) == "SMTPError: *** *** *** mailto"
