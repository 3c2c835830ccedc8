"""Tests of the table of settings, and of its documentation."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from floorcast.config.settings import SETTINGS, Setting, Settings

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_is_documented(setting: Setting) -> None:
    """docs/settings.md has each setting's name, flag, variable, default, unit and meaning."""
    rows = [row for row in DOCS.read_text().splitlines() if row.startswith(f"| `{setting.name}`")]
    assert len(rows) == 1, f"docs/settings.md has no row for {setting.name}"
    for part in (setting.flag, setting.variable, setting.default, setting.unit, setting.meaning):
        assert part in rows[0]


def test_every_documented_setting_exists() -> None:
    """The rows of docs/settings.md describe the existing settings, in the same order."""
    rows = [row.split("`")[1] for row in DOCS.read_text().splitlines() if row.startswith("| `")]
    assert rows == list(SETTINGS)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_help_shows_the_meaning_and_the_default_with_its_unit(setting: Setting) -> None:
    """A default such as 256MiB already has a unit."""
    assert setting.help.startswith(setting.meaning)
    ends = (setting.meaning, f"[default: {setting.default}]")
    assert setting.help.endswith((*ends, f"[default: {setting.default} {setting.unit}]"))
    if setting.name.endswith(("_hours", "_bytes")):
        assert setting.unit == setting.name.rpartition("_")[2]


def test_help_has_no_unit_without_a_number() -> None:
    """A unit alone would say nothing about the value."""
    endings = {name: SETTINGS[name].help.rpartition(" [")[2] for name in ("port", "ring_bytes")}
    assert endings == {"port": "default: 8080]", "ring_bytes": "default: 256MiB]"}
    assert SETTINGS["head_timeout"].help.endswith("[default: 10 seconds]")
    assert SETTINGS["rate_limit"].help.endswith("[default: 0 requests a minute]")
    assert "default:" not in SETTINGS["clients"].help


def test_every_default_is_valid() -> None:
    """A setting's printed default is valid and gives the actual default."""
    defaults = structs.asdict(Settings())
    for setting in SETTINGS.values():
        if setting.default:
            assert setting.kind.read(setting.default) == defaults[setting.name]
