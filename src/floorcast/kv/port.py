"""The key-value store' port: what sites, users, keys and sessions need of a store.

A bucket is a named set of keys with bytes as their values. Reading is immediate, as every
adapter keeps what it reads close by; writing waits for the disk (or a quorum) and is therefore
awaited. Every adapter passes ``tests/contract/test_buckets.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from floorcast.model.errors import FloorcastError

__all__ = ["Conflict", "Item", "KeyValueStore", "Listener", "checked"]

Listener = Callable[[str, bytes | None], None]
"""Is told a key of its bucket and what that holds now; raises nothing."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_=.-]{0,126}[A-Za-z0-9_=-])?")


class Item(NamedTuple):
    """What a key of a bucket holds; ``value`` None: nothing."""

    bucket: str
    key: str
    value: bytes | None


class Conflict(FloorcastError):
    """Somebody else wrote first: what the writer had seen is no longer there."""


class KeyValueStore(Protocol):
    """Named sets of keys, shared by every process that opens the same store.

    Names of buckets and keys are 1 to 128 of the letters, digits and ``_ = . -`` (so that a
    key-value store on the network can hold them too), beginning with a letter or digit and not
    ending with a dot; others raise ValueError. Whatever touches the store raises
    ``Unavailable`` when it cannot be read or written, or has been closed.
    """

    def get(self, bucket: str, key: str) -> bytes | None:
        """What the key holds, or None."""
        ...

    def items(self, bucket: str) -> Mapping[str, bytes]:
        """A copy of everything in the bucket, by key."""
        ...

    async def write(self, items: Iterable[Item], seen: Iterable[Item] = ()) -> None:
        """Put (or, where the value is None, delete) all of ``items``, or nothing of them.

        Durable when it returns. ``seen`` is what the caller's decision rests on: where one of
        these keys holds something else by now, nothing is written and ``Conflict`` is raised.
        A write whose caller is cancelled may still happen. In a cluster a write of more than 400
        keys becomes several, in the order of ``items``, each of them whole.
        """
        ...

    def version(self, bucket: str) -> int:
        """A number that changes whenever anybody, in any process, writes to the bucket.

        Costs next to nothing while nobody does, so it can be asked several times a second.
        """
        ...

    def listen(self, bucket: str, listener: Listener) -> None:
        """Call ``listener`` on the loop for each change of the bucket, once all of it shows.

        Told are the writes through these buckets, and in a cluster those of every other node.
        What another process writes to a file shows in ``version`` only.
        """
        ...

    def check_current(self) -> None:
        """Raise Unavailable when what is read here may have been out of date for too long.

        To be asked before a session or a key admits anybody.
        """
        ...

    async def close(self) -> None:
        """Let writes under way finish, then let go of the store."""
        ...


def checked(items: Iterable[Item]) -> tuple[Item, ...]:
    """The items, once their names are known to be allowed; raises ValueError if one is not."""
    found = tuple(items)
    for item in found:
        for name in (item.bucket, item.key):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of a bucket or key")
    return found
