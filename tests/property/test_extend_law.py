from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opsintel_dagster.outcome import extend

NAMES = st.sampled_from(["owner", "tags", "batch", "routes"])
SCALARS = st.integers(0, 3) | st.none()
VALUES = (
    SCALARS
    | st.lists(SCALARS, max_size=3)
    | st.dictionaries(
        st.sampled_from("abc"),
        SCALARS | st.dictionaries(st.sampled_from("xy"), SCALARS, max_size=2),
    )
)
LAYERS = st.dictionaries(NAMES, VALUES)


@given(LAYERS, LAYERS)
def test_own_values_win_and_mappings_merge_one_level(
    own: dict[str, Any], defaults: dict[str, Any]
) -> None:
    merged = extend(own, [defaults])
    assert set(merged) == set(own) | set(defaults)
    for name, value in merged.items():
        if name not in own:
            assert value == defaults[name]
        elif isinstance(own[name], Mapping) and isinstance(defaults.get(name), Mapping):
            assert set(value) == set(own[name]) | set(defaults[name])
            for entry, inner in value.items():
                assert inner == (own[name][entry] if entry in own[name] else defaults[name][entry])
        else:
            assert value == own[name]


@given(LAYERS, LAYERS, LAYERS)
def test_it_does_not_matter_how_layers_are_grouped(
    own: dict[str, Any], near: dict[str, Any], far: dict[str, Any]
) -> None:
    # Only from the far end: a scalar between two mappings cuts the near one off from the far one.
    assert extend(own, [far, near]) == extend(own, [extend(near, [far])])


@given(LAYERS, LAYERS)
def test_extending_twice_changes_nothing_and_touches_neither_layer(
    own: dict[str, Any], defaults: dict[str, Any]
) -> None:
    before = repr((own, defaults))
    merged = extend(own, [defaults])
    assert extend(merged, [defaults]) == merged
    assert repr((own, defaults)) == before
