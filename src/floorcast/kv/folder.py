"""The key-value store of a data folder."""

from __future__ import annotations

from pathlib import Path

from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import KeyValueStore
from floorcast.kv.sqlite_kv import SqliteKeyValueStore
from floorcast.model.errors import SettingError

__all__ = ["IN_MEMORY", "open_kv"]

IN_MEMORY = Path(":memory:")


def open_kv(data: Path) -> KeyValueStore:
    """Open the key-value store of a data folder, creating it the first time.

    For ``:memory:``, there is no folder. Raises ``SettingError`` if the folder cannot be created or
    its store cannot be used.
    """
    if data == IN_MEMORY:
        return MemoryKeyValueStore()
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(
            f"the data folder {data} cannot be created: {error.strerror or error}"
        ) from error
    return SqliteKeyValueStore(data / "admin.db")
