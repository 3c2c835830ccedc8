"""Tests of an installation's secret, which is created once and shared by all nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from floorcast.kv.folder import open_kv
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import Conflict, Item
from floorcast.kv.token_secret import BUCKET, KEY, SECRET_BYTES, token_secret


def test_secret_survives_a_restart(tmp_path: Path) -> None:
    """Another folder has a different secret."""

    async def read(folder: Path) -> bytes:
        kv = open_kv(folder)
        secret = await token_secret(kv)
        assert await token_secret(kv) == secret
        await kv.close()
        return secret

    first = asyncio.run(read(tmp_path / "one"))
    assert len(first) == SECRET_BYTES
    assert asyncio.run(read(tmp_path / "one")) == first
    assert asyncio.run(read(tmp_path / "other")) != first


class RacingStore(MemoryKeyValueStore):
    """A store in which another node is faster once."""

    async def write(self, items: Iterable[Item], expected: Iterable[Item] = ()) -> None:
        if self.get(BUCKET, KEY) is None:
            await super().write([Item(BUCKET, KEY, b"theirs")])
            raise Conflict
        await super().write(items, expected)


def test_second_node_uses_the_secret_of_the_first() -> None:
    """All nodes of a cluster therefore make the same tokens."""
    assert asyncio.run(token_secret(RacingStore())) == b"theirs"
