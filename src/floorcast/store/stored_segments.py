"""The feed segments in the store."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import NamedTuple

import apsw
import msgspec

from floorcast.model.token import entry_of
from floorcast.sqlite.background_writer import DAMAGED, BackgroundWriter
from floorcast.sqlite.checksums import ChecksummedTable, row_checksum
from floorcast.sqlite.derived_files import record_progress
from floorcast.sqlite.files import fetch, fetch_one
from floorcast.store.damage import UNREADABLE, DamagedRow, ReportDamage, reading_derived
from floorcast.store.segment import Segment, SegmentHead
from floorcast.store.segment_rows import body_checksum, head_checksum, read_head, read_segment

__all__ = ["CHECKSUMMED_TABLE", "SCHEMA", "StoredSegments", "damaged", "rewrite"]

SCHEMA = """
CREATE TABLE feeds (
    id INTEGER PRIMARY KEY,
    client INTEGER NOT NULL,
    name TEXT NOT NULL,
    covered INTEGER NOT NULL,
    UNIQUE (client, name)
);
CREATE TABLE segments (
    id INTEGER PRIMARY KEY,
    feed INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    first_taken INTEGER NOT NULL,
    last_taken INTEGER NOT NULL,
    count INTEGER NOT NULL,
    class_table BLOB NOT NULL,
    classes BLOB NOT NULL,
    places BLOB NOT NULL,
    offsets BLOB NOT NULL,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX segments_by_place ON segments (feed, last);
"""

CHECKSUMMED_TABLE = ChecksummedTable("feeds", ["id"], ["client", "name", "covered"], inline=True)

FEEDS = "SELECT id, client, name, covered FROM feeds"
COVER = """
INSERT INTO feeds (id, client, name, covered, checksum) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET covered = excluded.covered, checksum = excluded.checksum
"""
INSERT = "INSERT INTO segments VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
DELETE_FEED = "DELETE FROM segments WHERE feed = ?"
UNCOVER = "UPDATE feeds SET covered = 0, checksum = ? WHERE id = ?"
HEADS = """
SELECT id, first, last, first_taken, last_taken, count, class_table, head_checksum
FROM segments WHERE feed = ? AND last > ? ORDER BY last LIMIT ?
"""
ALL = """
SELECT feed, id, first, last, first_taken, last_taken, count, class_table, head_checksum,
    classes, places, offsets, body, checksum
FROM segments
"""
REST = """
SELECT classes, places, offsets, body, checksum FROM segments
WHERE id = ? AND feed = ? AND last = ?
"""
IDS = "SELECT id FROM segments WHERE feed = ? ORDER BY id"
ONE = f"{ALL.rstrip()} WHERE id = ?"
REPLACE = "UPDATE segments SET offsets = ?, body = ?, checksum = ? WHERE id = ?"
TRIM = """
DELETE FROM segments
WHERE id IN (SELECT id FROM segments ORDER BY id LIMIT ?) AND last_taken < ?
"""

TRIM_SEGMENTS = 4  # segments deleted at a time; each one frees about a megabyte


class _Feed(NamedTuple):
    id: int
    pending: deque[Segment]


class StoredSegments:
    """The stored segments. Segments that are not stored yet are read from memory."""

    def __init__(
        self, reader: apsw.Connection, writer: BackgroundWriter, report: ReportDamage
    ) -> None:
        self.reader = reader
        self._report = report
        self._writer = writer
        self._feeds: dict[tuple[int, str], _Feed] = {}
        self._covered: dict[tuple[int, str], int] = {}
        for number, client, name, covered in fetch(reader, FEEDS):
            self._feeds[client, name] = _Feed(number, deque())
            self._covered[client, name] = covered

    def write(self, client: int, name: str, segment: Segment) -> None:
        """Store the feed's next segment. Raises ValueError unless it follows the last segment."""
        key = client, name
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = _Feed(len(self._feeds) + 1, deque())
        before = feed.pending[-1].last if feed.pending else self._covered.get(key, 0)
        if segment.first <= before:
            raise ValueError(f"segment at {segment.first} does not follow {before}")
        table = msgspec.msgpack.encode(segment.table)

        def work(connection: apsw.Connection) -> None:
            row = feed.id, client, name, segment.last
            connection.execute(COVER, (*row, row_checksum(*row)))
            connection.execute(
                INSERT,
                (
                    feed.id,
                    segment.first,
                    segment.last,
                    segment.first_recorded_at,
                    segment.last_recorded_at,
                    segment.count,
                    table,
                    segment.classes,
                    segment.positions,
                    segment.offsets,
                    segment.body,
                    head_checksum(feed.id, segment, table),
                    body_checksum(feed.id, segment),
                ),
            )
            record_progress(connection, client, entry_of(segment.last))

        def done() -> None:
            feed.pending.popleft()
            if self._feeds.get(key) is feed:  # not deleted in the meantime
                self._covered[key] = segment.last

        feed.pending.append(segment)
        self._writer.submit(segment.size(), work, done)

    def clients(self) -> set[int]:
        """Return the clients that have a feed in the store."""
        return {client for client, _ in self._feeds}

    def feeds_of(self, client: int) -> list[str]:
        """Return the names of a client's feeds."""
        return [name for each, name in self._feeds if each == client]

    def covered(self, client: int, name: str) -> int:
        """Return the last position that is stored for the feed, or 0 if none is."""
        return self._covered.get((client, name), 0)

    def heads(self, client: int, name: str, after: int, limit: int) -> list[SegmentHead]:
        """Return the heads of up to ``limit`` segments that end after ``after``, oldest first.

        Segments that are not stored yet are returned whole. Raises Unavailable.
        """
        feed = self._feeds.get((client, name))
        if feed is None:
            return []
        found: list[SegmentHead] = []
        if after < self._covered.get((client, name), 0):
            with reading_derived(client, self._report):
                rows = fetch(self.reader, HEADS, (feed.id, after, limit))
                found = [read_head(feed.id, *row) for row in rows]
        # a segment that is already stored may still be pending, so skip the ones already found
        last = found[-1].last if found else after
        for segment in feed.pending:
            if len(found) >= limit:
                break
            if segment.last > last:
                found.append(segment)
        return found

    def segment(self, client: int, name: str, head: SegmentHead) -> Segment | None:
        """Return the segment that belongs to a head, or None if retention has removed it.

        Raises Unavailable.
        """
        if isinstance(head, Segment):
            return head
        feed = self._feeds[client, name]
        with reading_derived(client, self._report):
            row = fetch_one(self.reader, REST, (head.id, feed.id, head.last))
            return None if row is None else read_segment(feed.id, head, *row)

    def delete_feed(self, client: int, name: str) -> None:
        """Delete all segments of a feed that is to be rebuilt."""
        key = client, name
        feed = self._feeds.get(key)
        if feed is None:
            return
        self._feeds[key] = _Feed(feed.id, deque())
        self._covered[key] = 0

        def work(connection: apsw.Connection) -> None:
            connection.execute(DELETE_FEED, (feed.id,))
            connection.execute(UNCOVER, (row_checksum(feed.id, client, name, 0), feed.id))

        self._writer.submit(0, work)


def rewrite(
    connection: apsw.Connection,
    client: int,
    change: Callable[[str, bytes], bytes | None],
    *,
    dry_run: bool = False,
) -> int:
    """Change a client's events. Returns the number of changed events.

    ``change`` takes the name of a feed and an event, and returns None if the event does not change.
    """
    changed = 0
    for number, owner, name, _ in fetch(connection, FEEDS):
        ids = fetch(connection, IDS, (number,)) if owner == client else ()
        for (row_id,) in ids:
            row = fetch_one(connection, ONE, (row_id,))
            segment = read_segment(number, read_head(number, *row[1:9]), *row[9:])
            lines = segment.body.split(b"\n")
            new = [change(name, line) for line in lines]
            count = sum(line is not None for line in new)
            changed += count
            if count and not dry_run:
                kept = [old if one is None else one for old, one in zip(lines, new, strict=True)]
                segment.body = b"\n".join(kept)
                starts = accumulate((len(line) + 1 for line in kept[:-1]), initial=0)
                segment.offsets = array("I", starts).tobytes()
                values = (segment.offsets, segment.body, body_checksum(number, segment), row_id)
                connection.execute(REPLACE, values)
    return changed


def damaged(connection: apsw.Connection) -> Iterator[str]:
    """Yield a description of each damaged segment. Raises apsw.Error."""
    feeds = {number for number, *_ in connection.execute(FEEDS)}
    for row in connection.execute(ALL):
        feed, row_id = row[:2]
        try:
            read_segment(feed, read_head(feed, *row[1:9]), *row[9:])
            if feed not in feeds:
                raise DamagedRow
        except UNREADABLE:
            yield f"row {row_id} of the segments"


def readable(connection: apsw.Connection) -> bool:
    """Return whether the feeds in a file can be listed. If they cannot, the file is damaged."""
    try:
        fetch(connection, FEEDS)
    except DAMAGED:
        return False
    return True


def trim(connection: apsw.Connection, before: int) -> bool:
    """Delete a few of the oldest segments whose events were all recorded before a tick.

    Returns whether there may be more.
    """
    connection.execute(TRIM, (TRIM_SEGMENTS, before))
    return connection.changes() == TRIM_SEGMENTS
