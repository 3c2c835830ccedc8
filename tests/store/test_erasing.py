"""Tests of reading a client's stored data; ``tests/cli/test_erase.py`` tests how it is erased."""

from __future__ import annotations

from pathlib import Path

import pytest

from floorcast.model.errors import Unavailable
from floorcast.store.erasing import stored_bodies


def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(Unavailable, match=r"mirror\.db cannot be read: unable to open"):
        list(stored_bodies(tmp_path / "mirror.db", 1))
