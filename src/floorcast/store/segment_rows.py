"""Reads the rows of stored segments and verifies them by their checksums."""

from __future__ import annotations

import msgspec

from floorcast.model.undecodable import UNDECODABLE
from floorcast.sqlite.checksums import checksum
from floorcast.store.damage import DamagedRow
from floorcast.store.segment import Facets, Segment, SegmentHead

__all__ = ["body_checksum", "head_checksum", "read_head", "read_segment"]

_table = msgspec.msgpack.Decoder(tuple[Facets, ...])


def read_head(  # noqa: PLR0913, PLR0917 -- a row of the table
    feed: int,
    row: int,
    first: int,
    last: int,
    first_recorded_at: int,
    last_recorded_at: int,
    count: int,
    table: bytes,
    stored: int | None,
) -> SegmentHead:
    """Return the head from a stored row. Raises DamagedRow.

    Rows that an older release stored have no checksum.
    """
    numbers = feed, first, last, first_recorded_at, last_recorded_at, count
    if stored is not None and stored != checksum(table, *numbers):
        raise DamagedRow
    try:
        decoded = _table.decode(table)
    except UNDECODABLE as error:
        raise DamagedRow from error
    return SegmentHead(first, last, first_recorded_at, last_recorded_at, count, decoded, row)


def read_segment(
    feed: int,
    head: SegmentHead,
    classes: bytes,
    positions: bytes,
    offsets: bytes,
    body: bytes,
    stored: int | None,
) -> Segment:
    """Return the segment made from a head and the rest of its row. Raises DamagedRow."""
    segment = Segment(
        first=head.first,
        last=head.last,
        first_recorded_at=head.first_recorded_at,
        last_recorded_at=head.last_recorded_at,
        count=head.count,
        table=head.table,
        id=head.id,
        classes=classes,
        positions=positions,
        offsets=offsets,
        body=body,
    )
    if stored is not None and stored != body_checksum(feed, segment):
        raise DamagedRow
    return segment


def head_checksum(feed: int, head: SegmentHead, table: bytes) -> int:
    """Return the checksum of a head. ``table`` holds the head's facets in stored form."""
    numbers = head.first, head.last, head.first_recorded_at, head.last_recorded_at, head.count
    return checksum(table, feed, *numbers)


def body_checksum(feed: int, segment: Segment) -> int:
    """Return the checksum of a segment's arrays and events."""
    parts = segment.classes, segment.positions, segment.offsets, segment.body
    return checksum(b"".join(parts), feed, segment.last, *map(len, parts))
