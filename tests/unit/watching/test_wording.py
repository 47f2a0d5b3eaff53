"""What a notice says to somebody who knows nothing else."""

from datetime import timedelta

import pytest
from watched import NOW, late, minutes

from opsintel_dagster.watching import SymptomKind
from opsintel_dagster.watching.wording import Message, resolved, told

FACTS = {
    "promise": "Every parcel reaches its desk, once.",
    "within_seconds": 900.0,
    "failure_modes": {
        "unknown_depot": {"human_step": "asks for the depot to be added", "minutes": 6.0},
        "bad_weight": {"human_step": None, "minutes": None},
    },
}
ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("subject", ["parcels.unknown_depot", "unknown_depot:team:parcels"])
def test_it_says_what_is_broken_since_when_what_it_costs_what_was_tried_and_what_to_do(
    subject: str,
) -> None:
    symptom = late(kind=SymptomKind.CASE_OVERDUE, subject=subject)
    message = told(symptom, FACTS, notice=ID, began_at=NOW, now=minutes(90.9))
    assert message == Message(
        "[parcels] 12 records are late",
        """**12 records are late**

The oldest has been waiting since 09:40 UTC.

- **promise** Every parcel reaches its desk, once. Within 15m.
- **since** 2026-06-01 10:00 UTC (1h30m)
- **cost** 600 an hour, 909 so far
- **owner** team:parcels
- **tried** 4 attempts; the receiver gate does not answer
- **a person does** asks for the depot to be added (6 min a record)
- **next** opsintel status parcels
- **acknowledge** `opsintel notices ack 0123456789ab`

Notice 0123456789ab""",
    )


def test_what_is_not_known_is_left_out() -> None:
    bare = late(outcome=None, detail="", tried="", next_action="", cost_per_hour=0.0)
    message = told(bare, {}, notice=ID, began_at=NOW, now=NOW)
    assert message.title == "[opsintel] 12 records are late"
    assert "cost" not in message.body
    assert "tried" not in message.body
    assert "(under 1m)" in message.body
    mode = late(subject="bad_weight")
    assert "person" not in told(mode, FACTS, notice=ID, began_at=NOW, now=NOW).body


def test_texts_from_files_stay_on_their_line_and_move_no_cursor() -> None:
    nasty = late(title="a\n\x1b[2Jfile.csv\r" + "x" * 500, detail="one\n\x07two", subject="a")
    message = told(nasty, {}, notice=ID, began_at=NOW, now=NOW)
    assert message.title.startswith("[parcels] a �[2Jfile.csv x")
    assert len(message.title) < 200
    assert "one\n�two" in message.body


def test_that_it_is_over_says_after_how_long() -> None:
    message = resolved(
        "12 records are late", "parcels", notice=ID, began_at=NOW, now=NOW + timedelta(hours=2)
    )
    assert message.title == "[parcels] Resolved: 12 records are late"
    assert "after 2h" in message.body
    assert message.body.endswith("Notice 0123456789ab")
