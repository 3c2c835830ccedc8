"""A key-value store in the memory of one process, for tests and ``--data :memory:``."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from floorcast.kv.port import Conflict, Item, Listener, validate_items
from floorcast.model.errors import Unavailable

__all__ = ["MemoryKeyValueStore"]


class MemoryKeyValueStore:
    """The key-value store of one process, which is lost when the process ends."""

    check_current: Callable[[], None] | None = None  # no other process writes to it

    def __init__(self) -> None:
        self._values: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        self._versions: Counter[str] = Counter()
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)
        self._closed = False

    def get(self, bucket: str, key: str) -> bytes | None:
        """Return the value of the key, or None."""
        return self._open()[bucket].get(key)

    def items(self, bucket: str) -> dict[str, bytes]:
        """Return a copy of the bucket's values, by key."""
        return dict(self._open()[bucket])

    async def write(self, items: Iterable[Item], expected: Iterable[Item] = ()) -> None:
        """Put or delete all of ``items``, or raise ``Conflict`` (see the port)."""
        changes, expected = validate_items(items), validate_items(expected)
        values = self._open()
        if any(values[bucket].get(key) != value for bucket, key, value in expected):
            raise Conflict("the key-value store has changed since it was read")
        for bucket, key, value in changes:
            if value is None:
                values[bucket].pop(key, None)
            else:
                values[bucket][key] = bytes(value)
        self._versions.update({item.bucket for item in changes})
        for bucket, key, value in changes:
            for listener in self._listeners[bucket]:
                listener(key, value)

    def version(self, bucket: str) -> int:
        """Return a number that changes with every write to the bucket."""
        self._open()
        return self._versions[bucket]

    def listen(self, bucket: str, listener: Listener) -> None:
        """Call ``listener`` for each change of the bucket."""
        self._listeners[bucket].append(listener)

    async def close(self) -> None:
        """Forget everything."""
        self._closed = True
        self._values.clear()

    def _open(self) -> defaultdict[str, dict[str, bytes]]:
        if self._closed:
            raise Unavailable("the store of users and sessions is closed")
        return self._values
