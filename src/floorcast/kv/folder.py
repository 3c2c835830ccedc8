"""Where the buckets of a data folder are."""

from __future__ import annotations

from pathlib import Path

from floorcast.kv.memory import MemoryBuckets
from floorcast.kv.port import Buckets
from floorcast.kv.sqlite_kv import SQLiteBuckets
from floorcast.model.errors import SettingError

__all__ = ["IN_MEMORY", "open_buckets"]

IN_MEMORY = Path(":memory:")


def open_buckets(data: Path) -> Buckets:
    """Open (and, the first time, make) the buckets of a data folder; ``:memory:`` for none.

    Raises ``SettingError`` when the folder cannot be made or its store not be used.
    """
    if data == IN_MEMORY:
        return MemoryBuckets()
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(
            f"the data folder {data} cannot be made: {error.strerror or error}"
        ) from error
    return SQLiteBuckets(data / "admin.db")
