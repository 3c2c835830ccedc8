"""Tests that commands and the server say what to install if the extra is missing."""

from __future__ import annotations

import pytest

from floorcast.archive import extra
from floorcast.model.errors import SettingError


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error message has the command that installs the extra."""
    extra.require_extra()
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == "duckdb" else object())
    with pytest.raises(SettingError, match=r"needs duckdb: .*pip install 'floorcast\[archive\]'"):
        extra.require_extra()
