"""A segment: some hundreds of one feed's events, encoded and ready to be sent.

A feed's ring is a sequence of segments, and the projection store keeps them when they leave it. The
facets that occur in a segment precede its events, so a filter that matches none of them skips the
segment after one look.

All arrays have the machine's byte order: ``mirror.db`` does not move between machines.
"""

from __future__ import annotations

from array import array

from msgspec import Struct

__all__ = ["Facets", "Segment", "SegmentHead", "as_classes", "as_offsets", "as_places"]

Facets = tuple[str, int | None, int | None]
"""The members of an event that a filter can select: kind, service and call center."""


class SegmentHead(Struct, gc=False):
    """A segment without its events.

    ``first`` and ``last`` are the positions of its first and last event, and ``first_taken`` and
    ``last_taken`` the ticks at which the log recorded them. ``table`` has the classes that occur.
    ``id`` is the segment's id in the store, 0 if it is not stored.
    """

    first: int
    last: int
    first_taken: int
    last_taken: int
    count: int
    table: tuple[Facets, ...]
    id: int = 0


class Segment(SegmentHead, gc=False, kw_only=True):
    """A segment with its events.

    ``positions`` (64 bits each), ``classes`` (16 bits, an index into ``table``) and ``offsets``
    (32 bits, where the event begins in ``body``) have one element per event; ``body`` is the
    events as JSON, with a newline between them.
    """

    positions: bytes
    classes: bytes
    offsets: bytes
    body: bytes

    def size(self) -> int:
        """Its approximate size in memory, in bytes."""
        return len(self.positions) + len(self.classes) + len(self.offsets) + len(self.body) + 256


def as_places(data: bytes) -> array[int]:
    """The ``positions`` of a segment, as an array."""
    return array("Q", data)


def as_classes(data: bytes) -> array[int]:
    """The ``classes`` of a segment, as an array."""
    return array("H", data)


def as_offsets(data: bytes) -> array[int]:
    """The ``offsets`` of a segment, as an array."""
    return array("I", data)
