"""Checksums of what lies on disk: 63 bits, so that they fit into SQLite's integers."""

from __future__ import annotations

from struct import Struct

from xxhash import xxh3_64_intdigest

__all__ = ["checksum"]


def checksum(data: bytes, *numbers: int) -> int:
    """The checksum of ``data`` and of the numbers beside it, each of at most 64 bits, signed."""
    seed = xxh3_64_intdigest(Struct(f"<{len(numbers)}q").pack(*numbers)) if numbers else 0
    return xxh3_64_intdigest(data, seed) >> 1
