"""The key-value store's port: the interface that sites, users, keys and sessions use.

A bucket is a named set of keys whose values are bytes. Reads return at once, because every adapter
keeps a local copy. Writes are awaited, because they wait for the disk or a quorum. Every adapter
passes ``tests/contract/test_key_value_store.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from floorcast.model.errors import FloorcastError

__all__ = ["Conflict", "Item", "KeyValueStore", "Listener", "validate_items"]

Listener = Callable[[str, bytes | None], None]
"""Receives a key of its bucket and the key's new value. Must not raise."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_=.-]{0,126}[A-Za-z0-9_=-])?")


class Item(NamedTuple):
    """A key of a bucket and its value, or None if the key has no value."""

    bucket: str
    key: str
    value: bytes | None


class Conflict(FloorcastError):
    """Another writer was first, so values that this writer has read have changed."""


class KeyValueStore(Protocol):
    """Named sets of keys, shared by every process that opens the same store.

    Names of buckets and keys have 1 to 128 letters, digits and ``_ = . -``. They start with a
    letter or digit and do not end with a dot, so that NATS accepts them, too. Other names raise
    ValueError. Every method raises ``Unavailable`` if the store cannot be read or written, or is
    closed.
    """

    def get(self, bucket: str, key: str) -> bytes | None:
        """Return the value of the key, or None."""
        ...

    def items(self, bucket: str) -> Mapping[str, bytes]:
        """Return a copy of the bucket's values, by key."""
        ...

    async def write(self, items: Iterable[Item], expected: Iterable[Item] = ()) -> None:
        """Put all of ``items``, or delete those whose value is None, atomically.

        The write is durable on return. ``expected`` contains the values that the caller has read.
        If one of these keys has another value by now, nothing is written and ``Conflict`` is
        raised. If the caller is cancelled, the write may still happen. In a cluster, a write of
        more than 400 keys becomes several atomic writes, in the order of ``items``.
        """
        ...

    def version(self, bucket: str) -> int:
        """Return a number that changes with every write to the bucket, by any process.

        It is cheap enough to be called several times a second.
        """
        ...

    def listen(self, bucket: str, listener: Listener) -> None:
        """Call ``listener`` on the event loop for each change of the bucket, after the whole write.

        This covers writes through this object and, in a cluster, writes of every other node. If
        another process writes to the same file, only ``version`` changes.
        """
        ...

    @property
    def check_current(self) -> Callable[[], None] | None:
        """A function that raises Unavailable if the data may have been outdated for too long.

        It is None if that cannot happen. Otherwise, call it before a session or key grants access.
        """
        ...

    async def close(self) -> None:
        """Finish writes in progress, then close the store."""
        ...


def validate_items(items: Iterable[Item]) -> tuple[Item, ...]:
    """Return the items. Raises ValueError if a name is not allowed."""
    validated = tuple(items)
    for item in validated:
        for name in (item.bucket, item.key):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of a bucket or key")
    return validated
