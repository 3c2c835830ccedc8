"""Tests of a data folder's stores."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from floorcast.kv.folder import IN_MEMORY, open_kv
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.model.errors import SettingError


def test_missing_folder_is_created(tmp_path: Path) -> None:
    """The first command creates the folder, private to its owner, and the folder's admin.db."""
    kv = open_kv(tmp_path / "deep" / "data")
    asyncio.run(kv.close())
    assert (tmp_path / "deep" / "data" / "admin.db").is_file()
    assert (tmp_path / "deep" / "data").stat().st_mode & 0o077 == 0


def test_memory_store_creates_no_files() -> None:
    """``:memory:`` creates no files."""
    assert isinstance(open_kv(IN_MEMORY), MemoryKeyValueStore)
    assert not IN_MEMORY.exists()


def test_folder_that_cannot_be_created_is_a_setting_error(tmp_path: Path) -> None:
    """A data folder inside a file is refused. The error contains the folder's name."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match=r"data folder .*file"):
        open_kv(tmp_path / "file" / "data")
