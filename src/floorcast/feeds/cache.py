"""A bounded store of what was lately used, measured in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["ByteCache"]

T = TypeVar("T")


class ByteCache(Generic[T]):
    """Keeps the values that were used last, up to ``limit`` bytes of them."""

    def __init__(self, limit: int) -> None:
        self.bytes = 0
        self._limit = limit
        self._values: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> T | None:
        """The value, which counts as used; None if it is not (or no longer) there."""
        kept = self._values.get(key)
        if kept is None:
            return None
        self._values.move_to_end(key)
        return kept[0]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Keep a value of ``size`` bytes; one larger than the whole cache is not kept."""
        self.drop(key)
        if size > self._limit:
            return
        self._values[key] = (value, size)
        self.bytes += size
        while self.bytes > self._limit:
            _, (_, dropped) = self._values.popitem(last=False)
            self.bytes -= dropped

    def drop(self, key: Hashable) -> None:
        """Forget a value, if it is there."""
        kept = self._values.pop(key, None)
        if kept is not None:
            self.bytes -= kept[1]
