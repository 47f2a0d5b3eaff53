"""Where an installation keeps things, as the environment says."""

from pathlib import Path

import pytest

from opsintel_dagster.errors import SettingsError
from opsintel_dagster.settings import Settings


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OPSINTEL_ROOT", "OPSINTEL_LEDGER_URL", "OPSINTEL_STORE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_variables_everything_lies_below_the_current_folder(root: Path) -> None:
    settings = Settings.from_env()
    assert settings == Settings.below(root)
    assert settings.ledger_url == f"sqlite:///{root}/.opsintel/ledger.db"


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://ops:secret@host/db", "postgresql://ops:x:y/z"]
)
def test_what_no_ledger_can_be_kept_in_is_refused_without_its_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSINTEL_LEDGER_URL", url)
    with pytest.raises(
        SettingsError, match=r"OPSINTEL_LEDGER_URL: .*Write e.g. postgresql"
    ) as told:
        Settings.from_env()
    assert "secret" not in str(told.value)


@pytest.mark.usefixtures("root")
def test_a_root_that_is_no_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSINTEL_ROOT", "/nowhere/at/all")
    with pytest.raises(SettingsError, match=r"is not a folder\. Create it"):
        Settings.from_env()
