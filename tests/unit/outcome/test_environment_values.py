from typing import Any

import pytest

from opsintel_dagster.errors import DeclarationError, SettingsError
from opsintel_dagster.outcome import EnvValue, FilesSource, Outcome, TableReceiver, resolve, shown

HIDDEN = "hunter2"


def test_the_value_is_read_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    value = EnvValue(env="DESK_URL")
    monkeypatch.setenv("DESK_URL", "sqlite:///a.db")
    assert resolve(value) == "sqlite:///a.db"
    assert resolve("sqlite:///b.db") == "sqlite:///b.db"


@pytest.mark.parametrize("state", ["is not set", "is empty"])
def test_an_unset_or_empty_variable_names_itself_and_the_fix(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.delenv("DESK_URL", raising=False)
    if state == "is empty":
        monkeypatch.setenv("DESK_URL", "")
    with pytest.raises(SettingsError, match=f"DESK_URL.*{state}.*Set DESK_URL"):
        EnvValue(env="DESK_URL").resolve()
    assert EnvValue(env="DESK_URL", default="x").resolve() == "x"


def test_neither_value_nor_default_is_ever_shown(
    monkeypatch: pytest.MonkeyPatch, declare: Any
) -> None:
    monkeypatch.setenv("DESK_URL", HIDDEN)
    value = EnvValue(env="DESK_URL", default=HIDDEN)
    receiver = TableReceiver(url=value, table="t")
    plain = TableReceiver(url=f"postgresql://ops:{HIDDEN}@db/desk?password={HIDDEN}", table="t")
    source = FilesSource(path=f"s3://key:{HIDDEN}@bucket/*.csv")
    outcome = Outcome(**declare(handoff={"rebooking": plain}, source=source))
    for thing in (value, receiver, plain, source, outcome):
        assert HIDDEN not in repr(thing)
        assert HIDDEN not in str(thing)
    assert shown(value) == "$DESK_URL"
    assert shown(f"postgresql://ops:{HIDDEN}@db/x") == "postgresql://ops:***@db/x"


@pytest.mark.parametrize(
    "url",
    [
        HIDDEN,
        {"env": f"postgresql://a:{HIDDEN}@b/c"},
        {"env": "A", "default": [HIDDEN]},
        {"env": "A", "defualt": HIDDEN},
        [HIDDEN],
    ],
)
def test_findings_about_a_url_do_not_repeat_it(url: Any) -> None:
    with pytest.raises(DeclarationError) as raised:
        TableReceiver(url=url, table="t")
    assert HIDDEN not in str(raised.value)
    assert raised.value.__cause__ is None
