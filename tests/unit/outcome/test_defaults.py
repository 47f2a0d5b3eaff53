from datetime import timedelta
from typing import Any

import pytest

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome import (
    BatchLimits,
    Defaults,
    FilesSource,
    Outcome,
    UpstreamSource,
    load_defaults,
    load_outcome,
)

HOUSE = Defaults(
    name="house",
    owner="team:house",
    tags={"site": "jfk", "tier": "1"},
    batch={"max_rows": 10},
    source={"kind": "files", "settle": "9s"},
    tolerance=0.5,
)


def test_every_field_but_name_promise_and_contract_may_be_shared() -> None:
    shared = set(Defaults.model_fields) - {"name"}
    assert shared == set(Outcome.model_fields) - {"name", "promise", "contract", "extends"}


def test_defaults_fill_what_the_outcome_does_not_say(declare: Any) -> None:
    data = declare(extends="house", owner=..., tags={"tier": "2"}, batch={"max_files": 3})
    outcome = load_outcome(data, source="defs.yaml", shared={"house": HOUSE})
    assert outcome.owner == "team:house"
    assert outcome.tolerance == 0.2
    assert outcome.tags == {"site": "jfk", "tier": "2"}
    assert outcome.batch == BatchLimits(max_rows=10, max_files=3)
    assert outcome.source == FilesSource(path="inbox/*.csv", settle=timedelta(seconds=9))
    assert outcome.extends == ("house",)


def test_python_extends_the_defaults_themselves(declare: Any) -> None:
    data = declare(
        extends=HOUSE,
        owner=...,
        batch=BatchLimits(max_files=3),
        source=FilesSource(path="x.csv"),
    )
    outcome = Outcome(**data)
    assert outcome.batch == BatchLimits(max_rows=10, max_files=3)
    assert outcome.source == FilesSource(path="x.csv", settle=timedelta(seconds=9))
    assert outcome.owner == "team:house"


def test_later_defaults_win_over_earlier(declare: Any) -> None:
    night = Defaults(name="night", owner="team:night")
    assert Outcome(**declare(extends=[HOUSE, night], owner=...)).owner == "team:night"


def test_a_source_of_another_kind_takes_nothing_from_the_defaults(declare: Any) -> None:
    source = {"kind": "upstream", "asset": "a/delivered"}
    outcome = Outcome(**declare(extends=HOUSE, source=source))
    assert outcome.source == UpstreamSource(asset="a/delivered")


def test_unknown_defaults_are_refused_with_the_closest_name(declare: Any) -> None:
    with pytest.raises(DeclarationError, match=r"extends\[1\]: .*`hous`; write `house`"):
        load_outcome(
            declare(extends=["house", "hous"]), source="defs.yaml", shared={"house": HOUSE}
        )


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        ({"name": "house", "promise": "x"}, "house.promise: there is no field `promise`"),
        ({"name": "house", "ownr": "x"}, "house.ownr: there is no field `ownr`; write `owner`"),
        ({"name": "house", "source": {"setle": "2s"}}, "house.source.setle: there is no field"),
        ({"name": "house", "owner": "x"}, "write `team:x`"),
        ({"owner": "team:x"}, "shared.yaml.name: is missing"),
    ],
)
def test_wrong_defaults_are_refused_themselves(data: dict[str, Any], finding: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        load_defaults(data, source="shared.yaml")
    assert finding in str(raised.value)
