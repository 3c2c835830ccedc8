"""A segment: several hundred events of one feed, encoded and ready to be sent.

A feed's ring is a sequence of segments. The projection store keeps the segments that leave the
ring. A segment's head lists the facets that occur in it, so a filter that matches none of them
skips the segment without looking at its events.

All arrays are in the machine's byte order, because ``mirror.db`` is never moved between machines.
"""

from __future__ import annotations

from array import array

from msgspec import Struct

__all__ = ["Facets", "Segment", "SegmentHead", "as_classes", "as_offsets", "as_positions"]

FACETS_BYTES = 150  # bytes of memory that an event's facets take in addition to their kind

Facets = tuple[str, int | None, int | None]
"""The members of an event by which a filter can select it: kind, service and call center."""


class SegmentHead(Struct, gc=False):
    """A segment without its events.

    ``first`` and ``last`` are the positions of the segment's first and last events.
    ``first_recorded_at`` and ``last_recorded_at`` are the ticks at which the log recorded these
    events. ``table`` has the facets that occur in the segment. ``id`` is the segment's id in the
    store, or 0 if it is not stored.
    """

    first: int
    last: int
    first_recorded_at: int
    last_recorded_at: int
    count: int
    table: tuple[Facets, ...]
    id: int = 0


class Segment(SegmentHead, gc=False, kw_only=True):
    """A segment with its events.

    Three arrays have one element per event. ``positions`` are 64 bits each. ``classes`` are 16-bit
    indexes into ``table``. ``offsets`` are 32 bits each and say where the event begins in ``body``.
    ``body`` holds the events as JSON, separated by newlines.
    """

    positions: bytes
    classes: bytes
    offsets: bytes
    body: bytes

    def size(self) -> int:
        """Return the segment's approximate size in memory, in bytes."""
        table = sum(len(kind) + FACETS_BYTES for kind, _, _ in self.table)
        arrays = len(self.positions) + len(self.classes) + len(self.offsets)
        return table + arrays + len(self.body) + 256


def as_positions(data: bytes) -> array[int]:
    """Return a segment's ``positions`` as an array."""
    return array("Q", data)


def as_classes(data: bytes) -> array[int]:
    """Return a segment's ``classes`` as an array."""
    return array("H", data)


def as_offsets(data: bytes) -> array[int]:
    """Return a segment's ``offsets`` as an array."""
    return array("I", data)
