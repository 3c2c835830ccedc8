"""The port of key-value stores: what sites, users, keys and sessions need from a store.

A bucket is a named set of keys whose values are bytes. Reads return at once, since every adapter
keeps a local copy. Writes wait for the disk or a quorum, and are awaited. Every adapter passes
``tests/contract/test_key_value_store.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from floorcast.model.errors import FloorcastError

__all__ = ["Conflict", "Item", "KeyValueStore", "Listener", "checked"]

Listener = Callable[[str, bytes | None], None]
"""Receives a key of its bucket and the value that it now has. Must not raise."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_=.-]{0,126}[A-Za-z0-9_=-])?")


class Item(NamedTuple):
    """A key of a bucket and its value; None if the key has none."""

    bucket: str
    key: str
    value: bytes | None


class Conflict(FloorcastError):
    """Another writer was first, so the values that this writer had read have changed."""


class KeyValueStore(Protocol):
    """Named sets of keys, shared by every process that opens the same store.

    Names of buckets and keys have 1 to 128 letters, digits and ``_ = . -``, start with a letter or
    digit and do not end with a dot, so that NATS can hold them too; other names raise ValueError.
    Every method raises ``Unavailable`` if the store cannot be read or written, or is closed.
    """

    def get(self, bucket: str, key: str) -> bytes | None:
        """The value of the key, or None."""
        ...

    def items(self, bucket: str) -> Mapping[str, bytes]:
        """A copy of everything in the bucket, by key."""
        ...

    async def write(self, items: Iterable[Item], seen: Iterable[Item] = ()) -> None:
        """Put all of ``items``, or delete those whose value is None, atomically.

        The write is durable on return. ``seen`` is what the caller has read: if one of these keys
        has another value by now, nothing is written and ``Conflict`` is raised. A write whose
        caller is cancelled may still happen. In a cluster a write of more than 400 keys becomes
        several atomic ones, in the order of ``items``.
        """
        ...

    def version(self, bucket: str) -> int:
        """A number that changes with every write to the bucket, by any process.

        It is cheap enough to be read several times a second.
        """
        ...

    def listen(self, bucket: str, listener: Listener) -> None:
        """Call ``listener`` on the loop for each change of the bucket, after the whole write.

        It is called for writes through this object and, in a cluster, for those of every other
        node. Writes of another process to a file change ``version`` only.
        """
        ...

    @property
    def check_current(self) -> Callable[[], None] | None:
        """Raises Unavailable if the data here may have been out of date for too long.

        None if that cannot happen. Otherwise call it before a session or key grants access.
        """
        ...

    async def close(self) -> None:
        """Finish writes in progress, then close the store."""
        ...


def checked(items: Iterable[Item]) -> tuple[Item, ...]:
    """Return the items. Raises ValueError if a name is not allowed."""
    found = tuple(items)
    for item in found:
        for name in (item.bucket, item.key):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of a bucket or key")
    return found
