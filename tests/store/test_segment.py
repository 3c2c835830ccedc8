"""Tests that a segment's arrays match its events."""

from __future__ import annotations

from floorcast.store.segment import as_classes, as_offsets, as_positions
from tests.store.segments import segment


def test_each_array_has_one_element_per_event() -> None:
    """Elements have 64, 16 and 32 bits. An offset is the start of an event."""
    one = segment([2**61, 2**61 + 1, 2**62 - 1])
    assert list(as_positions(one.positions)) == [2**61, 2**61 + 1, 2**62 - 1]
    assert list(as_classes(one.classes)) == [
        position % 3 for position in as_positions(one.positions)
    ]
    assert [one.body[start:][:9] for start in as_offsets(one.offsets)] == [b'{"place":'] * 3


def test_the_size_is_approximate() -> None:
    """A segment's size is approximate, and counts toward the limit of the rings."""
    small, large = segment([1]), segment(list(range(1, 1001)))
    assert len(small.body) < small.size() < 1000 < len(large.body) < large.size()
