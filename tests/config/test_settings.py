"""The table of settings, and its documentation."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from floorcast.config.settings import SETTINGS, Setting, Settings

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_is_documented(setting: Setting) -> None:
    """docs/settings.md has a row with its name, flag, variable, default, unit and meaning."""
    rows = [row for row in DOCS.read_text().splitlines() if row.startswith(f"| `{setting.name}`")]
    assert len(rows) == 1, f"docs/settings.md has no row for {setting.name}"
    for told in (setting.flag, setting.variable, setting.default, setting.unit, setting.meaning):
        assert told in rows[0]


def test_every_documented_setting_exists() -> None:
    """Every row of docs/settings.md describes a setting."""
    rows = [row.split("`")[1] for row in DOCS.read_text().splitlines() if row.startswith("| `")]
    assert rows == list(SETTINGS)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_help_shows_the_meaning_and_the_unit(setting: Setting) -> None:
    """The line in --help has the meaning and, where there is one, the unit."""
    assert setting.help.startswith(setting.meaning)
    assert setting.unit in setting.help
    if setting.name.endswith(("_hours", "_bytes")):
        assert setting.unit == setting.name.rpartition("_")[2]


def test_every_default_is_valid() -> None:
    """Reading the printed default gives the actual default."""
    defaults = structs.asdict(Settings())
    for setting in SETTINGS.values():
        if setting.default:
            assert setting.kind.read(setting.default) == defaults[setting.name]
