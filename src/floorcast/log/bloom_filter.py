"""A filter in front of the keys on disk, of a fixed size."""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

__all__ = ["BloomFilter", "mark"]

SLOTS = 1 << 24  # bytes of each generation
PAIRS = bytes(1 << (i & 7) | 1 << (i >> 3) for i in range(64))

mark = crc32
"""What the filter keeps of a key: 32 bits, the same in every process."""


class BloomFilter:
    """Says of a key that it is certainly new, or that it may have been here before.

    A key sets two bits of one byte, so that looking costs one step into memory. There are at
    most two generations, so that what is old goes without looking at single keys: ``turn``
    begins a new one and drops the one before the last.
    """

    def __init__(self) -> None:
        self._young = bytearray(SLOTS)
        self._old: bytearray | None = None

    def sift(self, keys: Iterable[bytes]) -> list[bytes]:
        """Put the keys in; those that may have been in before."""
        young, old, pairs = self._young, self._old, PAIRS
        known = []
        for key in keys:
            bits = crc32(key)
            slot = bits >> 8
            pair = pairs[bits & 63]
            held = young[slot]
            if held & pair == pair:
                known.append(key)
            else:
                young[slot] = held | pair
                if old is not None and old[slot] & pair == pair:
                    known.append(key)
        return known

    def load(self, marks: Iterable[int]) -> None:
        """Put keys in by their marks."""
        young, pairs = self._young, PAIRS
        for bits in marks:
            young[bits >> 8] |= pairs[bits & 63]

    def turn(self) -> None:
        """Begin a new generation; what was put in before the last turn is forgotten."""
        self._old = self._young
        self._young = bytearray(SLOTS)
