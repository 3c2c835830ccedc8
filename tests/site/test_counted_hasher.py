"""Tests of the number of passwords that are done."""

from __future__ import annotations

from floorcast.site.counted_hasher import CountedHasher
from tests.site.sites import CHEAP


def test_each_password_counts_once() -> None:
    """A stored hash that does not match is followed by a new hash, which alone counts."""
    counts: list[int] = []
    hasher = CountedHasher(CHEAP, counts.append)
    stored = hasher.hash("first")
    assert hasher.verify(stored, "first")
    assert not hasher.verify(stored, "second")
    assert CHEAP.verify(hasher.hash("second"), "second")
    assert counts == [1, 2, 3]
