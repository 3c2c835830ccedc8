"""A Bloom filter of fixed size in front of the keys on disk."""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

__all__ = ["BloomFilter", "fingerprint"]

SLOTS = 1 << 24  # bytes of each generation
PAIRS = bytes(1 << (i & 7) | 1 << (i >> 3) for i in range(64))

fingerprint = crc32
"""What the filter keeps of a key: 32 bits, the same in every process."""


class BloomFilter:
    """Tells that a key is certainly new, or that it may have been seen before.

    A key sets two bits of one byte, so a lookup costs one memory access. There are at most two
    generations, so that old keys are forgotten together: ``turn`` begins a new generation and drops
    the one before the last.
    """

    def __init__(self) -> None:
        self._young = bytearray(SLOTS)
        self._old: bytearray | None = None

    def sift(self, keys: Iterable[bytes]) -> list[bytes]:
        """Add the keys; returns those that may have been added before."""
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
        """Add keys by their fingerprints."""
        young, pairs = self._young, PAIRS
        for bits in marks:
            young[bits >> 8] |= pairs[bits & 63]

    def turn(self) -> None:
        """Begin a new generation; keys added before the previous turn are forgotten."""
        self._old = self._young
        self._young = bytearray(SLOTS)
