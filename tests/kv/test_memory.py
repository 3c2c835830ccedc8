"""Tests of the memory adapter, in addition to the contract."""

from __future__ import annotations

import asyncio
from typing import cast

from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import Item


def test_callers_buffer_is_copied() -> None:
    """Changing the bytes after the write does not change the store."""
    kv = MemoryKeyValueStore()
    buffer = bytearray(b"x")
    asyncio.run(kv.write([Item("site", "1", cast(bytes, buffer))]))
    buffer[0] = 0
    assert kv.get("site", "1") == b"x"
