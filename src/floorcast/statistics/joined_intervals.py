"""Stores successive intervals with many services' rows, joined in the order of an answer."""

from __future__ import annotations

from collections.abc import Iterable

import lz4.block

from floorcast.floor.view import Day

__all__ = ["JoinedIntervals", "decompress"]

_BLOCK_BYTES = 41  # a block's object and its place in a list
_OWN_BYTES = 600  # a JoinedIntervals object without blocks and service ids
_ID_BYTES = 40  # of a service in the key and in a set


class JoinedIntervals:
    """The joined rows for successive intervals of one day, compressed interval by interval.

    ``first`` is the number that the first interval has in the day. ``services`` holds the services'
    ids.
    """

    __slots__ = ("_begin", "_length", "blocks", "first", "services", "size")

    def __init__(self, services: Iterable[int], day: Day, length: int, first: int) -> None:
        self.first = first
        self.services = frozenset(services)
        self.size = _OWN_BYTES + len(self.services) * _ID_BYTES
        self._begin = day.begin
        self._length = length
        self.blocks: list[bytes] = []

    @property
    def end(self) -> int:
        """The number of the interval after the last one."""
        return self.first + len(self.blocks)

    def add(self, rows: bytes) -> None:
        """Add the joined rows of the next interval."""
        block = lz4.block.compress(rows)
        self.blocks.append(block)
        self.size += len(block) + _BLOCK_BYTES

    def cut(self, moment: int) -> int:
        """Drop the interval that contains a moment, and all later ones.

        Returns the number of bytes freed.
        """
        left = max(0, (moment - self._begin) // self._length - self.first)
        freed = sum(len(block) + _BLOCK_BYTES for block in self.blocks[left:])
        del self.blocks[left:]
        self.size -= freed
        return freed


def decompress(block: bytes) -> bytes:
    """Decompress the joined rows of an interval."""
    rows: bytes = lz4.block.decompress(block)
    return rows
