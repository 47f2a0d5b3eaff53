from typing import Any

from opsintel_dagster.outcome import Outcome, Route, describe


def test_the_map_says_everything_a_person_asks(declare: Any, facts: Any) -> None:
    outcome = Outcome(**declare())
    assert (
        describe(outcome, rules=facts.rules)
        == """\
**Every disrupted departure reaches the right desk, once.**

- **within** 15m of the record being available
- **a broken hour costs** 4,200
- **owner** `team:network-control`
- **source** files `inbox/*.csv`

### What correct looks like

- one record per `carrier` · `flight`
- keeps `dest_known`, `tail_known`
- types, empty cells, allowed values as the contract says (1 rule)
- an arrival of which more than 20 % is quarantined is held

### What may go wrong

| failure mode | rules | a person today | the system instead | owner |
| --- | --- | --- | --- | --- |
| `unknown_destination` | `dest_known` | dispatcher looks the code up (6 min) | quarantine; replay \
when `airport_register` changes | `team:network-control` |
| `unknown_aircraft` | `tail_known` | — | rows go on, counted | `team:network-control` |
| `unmapped` | `month.ge` | — | quarantine until somebody decides | `team:network-control` |

### Where it goes

The first that holds takes the record.

| # | when | to | receiver |
| --- | --- | --- | --- |
| 1 | `dep_time IS NULL` | `rebooking` | table `queue` in `$DESK_URL` |
| 2 | always | `nowhere` | no action, on purpose |
"""
    )


def test_what_an_arrival_is_held_for_is_part_of_what_correct_is(declare: Any) -> None:
    text = describe(Outcome(**declare(symptoms={"drift": "hold", "null_rate": "hold"})))
    assert "- an arrival unlike those before it is held: drift, null rate\n" in text


def test_pipes_line_breaks_and_backticks_stay_inside_their_cell(declare: Any) -> None:
    outcome = Outcome(
        **declare(
            failure_modes=[
                {
                    "name": "x",
                    "rules": ["a`|b"],
                    "human_step": {"does": "ask |\n the desk", "minutes": 1.5},
                }
            ],
            routes=[{"to": "rebooking", "when": "carrier || 'x' = 'y'"}],
        )
    )
    text = describe(outcome)
    assert "| `x` | `` a`\\|b `` | ask \\| the desk (1.5 min) |" in text
    assert "`carrier \\|\\| 'x' = 'y'`" in text


def test_passwords_are_masked_and_routes_of_a_file_are_named_or_shown(declare: Any) -> None:
    receiver = {"kind": "table", "url": "postgresql://u:hunter2@h/d", "table": "t"}
    outcome = Outcome(**declare(routes="routes.csv", handoff={"desk": receiver}))
    assert "as the decision table `routes.csv` says" in describe(outcome)
    text = describe(outcome, routes=[Route(to="desk")])
    assert "table `t` in `postgresql://u:***@h/d`" in text


def test_a_warning_nobody_named_is_not_said_to_be_quarantined(declare: Any) -> None:
    outcome = Outcome(**declare(failure_modes=[]))
    text = describe(outcome, rules={"tail_known": "warning", "month.ge": "error"})
    assert "| `unmapped` | `month.ge` | — | quarantine until somebody decides |" in text
    assert "| — | `tail_known` | — | rows go on, counted |" in text


def test_a_short_declaration_has_a_short_map(declare: Any) -> None:
    outcome = Outcome(
        **declare(
            cost_per_hour=0, key=[], tolerance=1, failure_modes=[], routes=[{"to": "nowhere"}]
        )
    )
    text = describe(outcome)
    assert "correct looks like" not in text
    assert "go wrong" not in text
    assert "costs" not in text


def test_it_says_what_a_failure_mode_is_told_apart_by(declare: Any) -> None:
    modes = [
        {"name": "x", "rules": ["a"], "per": ["carrier", "flight"]},
        {"name": "y", "rules": ["b"], "per": "file"},
    ]
    text = describe(Outcome(**declare(failure_modes=modes)))
    assert "| `x`, a case per `carrier`, `flight` |" in text
    assert "| `y`, a case per `file` |" in text
