"""Reads the entries, streams and positions of ``log.db``."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from floorcast.log.group_commit import entry_checksum
from floorcast.log.log_file import (
    CACHE_KIB,
    FOLLOWED_STREAMS,
    KINDS,
    LAST_SITE,
    NUMBER_BITS,
    FollowedLog,
    StreamPosition,
    StreamRow,
    first_id,
)
from floorcast.log.port import Entry, Head
from floorcast.log.schema import CHECKSUMS_SINCE, RESTORED_SINCE
from floorcast.model.errors import DamagedEntry
from floorcast.sqlite.files import (
    errors_as_unavailable,
    fetch,
    fetch_one,
    open_reader,
)

__all__ = ["LogReader", "is_undamaged"]

READ_BYTES = 2 << 20  # payload per read; keeps turns of the event loop short
STREAMS = "SELECT ordinal, client, removed, removed_taken, site FROM streams ORDER BY ordinal"
LAST = "SELECT id, taken FROM entries WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1"
COLUMNS = "id, taken, kind, count, payload, checksum"
READ = "FROM entries WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
READ_ONE = "FROM entries WHERE id = ?"
READ_RESTORED = f"SELECT {COLUMNS} FROM restored WHERE id = ?"  # noqa: S608 -- names of ours
SKIPPED = "SELECT 1 FROM skipped WHERE id = ?"
RECORDED_AT = "SELECT taken FROM entries WHERE id = ?"
LAST_RECORDED_AT = "SELECT taken FROM entries WHERE id <= ? AND id > ? ORDER BY id DESC LIMIT 1"
POSITIONS = "SELECT stream, seq, taken, digest, generation FROM following"
REMOVED = "SELECT removed FROM streams WHERE ordinal = ?"
REMOVED_SITE = "SELECT client, site_number, site_taken, site FROM streams WHERE ordinal = ?"


def is_undamaged(row: tuple[Any, ...]) -> bool:
    """Return whether an entry's row is undamaged, according to its checksum."""
    *values, stored = row
    if not (type(row[2]) is int and 0 <= row[2] < len(KINDS) and isinstance(row[4], bytes)):
        return False
    try:
        return stored is None or stored == entry_checksum(*values)
    except (struct.error, TypeError):  # not a number
        return False


def _entry(stream: StreamRow, row: tuple[Any, ...]) -> Entry:
    row_id, recorded_at, kind, count, payload, _ = row
    number = row_id - first_id(stream.ordinal)
    return Entry(stream.client, number, recorded_at, KINDS[kind], count, payload)


class LogReader:
    """Reads durable entries. Every method raises Unavailable if the disk fails."""

    def __init__(self, path: Path, *, read_bytes: int = READ_BYTES) -> None:
        self._connection = open_reader(path, cache_kib=CACHE_KIB)
        self._read_bytes = read_bytes
        # a file of an older release can be read before its schema is upgraded
        version = self._connection.pragma("user_version")
        self._has_checksums = version >= CHECKSUMS_SINCE
        self._has_restored = version >= RESTORED_SINCE
        columns = COLUMNS if self._has_checksums else COLUMNS.replace("checksum", "NULL")
        self._read_query = f"SELECT {columns} {READ}"
        self._read_one_query = f"SELECT {columns} {READ_ONE}"

    @contextmanager
    def consistent_reads(self) -> Iterator[None]:
        """Make all reads in the block see the file as it was at the first read.

        Entries that are removed in the meantime stay visible.
        """
        with errors_as_unavailable():
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def identity(self) -> str:
        """Return the identity of this log, which no other log has."""
        return str(self._connection.execute("SELECT identity FROM origin").get)

    def streams(self) -> list[StreamRow]:
        """Return all streams with their heads."""
        with errors_as_unavailable():
            rows = fetch(self._connection, STREAMS)
            return [self._stream_row(*row) for row in rows]

    def _stream_row(
        self, ordinal: int, client: int, removed: int, removed_taken: int, site: bytes | None
    ) -> StreamRow:
        start, end = first_id(ordinal), first_id(ordinal + 1)
        head = Head(removed, removed_taken)
        try:
            newer_site = fetch_one(self._connection, LAST_SITE, (start, end))
            last = fetch_one(self._connection, LAST, (start, end))
        except apsw.CorruptError:
            return StreamRow(ordinal, client, self._last_readable(ordinal, head), site, True)
        if last is not None:
            head = Head(last[0] - start, last[1])
        return StreamRow(ordinal, client, head, site if newer_site is None else newer_site[0])

    def _last_readable(self, ordinal: int, head: Head) -> Head:
        """Return the newest entry before a stream's damaged end."""
        low, high = head.number, 1 << NUMBER_BITS
        while high - low > 1:
            middle = (low + high) // 2
            try:
                row = fetch_one(self._connection, RECORDED_AT, (first_id(ordinal) + middle,))
            except apsw.CorruptError:
                row = None
            if row is None:
                high = middle
            else:
                low, head = middle, Head(middle, row[0])
        return head

    def stream_positions(self) -> dict[str, StreamPosition]:
        """Return the position up to which each followed stream has been copied, by name."""
        with errors_as_unavailable():
            found = [StreamPosition(*row) for row in fetch(self._connection, POSITIONS)]
        return {position.stream: position for position in found}

    def followed_log(self) -> FollowedLog:
        """Return the log that this file follows."""
        with errors_as_unavailable():
            rows = fetch(self._connection, FOLLOWED_STREAMS)
        return FollowedLog(self.identity(), [stream for stream, _ in rows], rows[0][1])

    def read(self, stream: StreamRow, after: int, limit: int) -> list[Entry]:
        """Return entries after ``after`` up to the stream's head, oldest first (see ``EventLog``).

        Raises DamagedEntry if the next entry is damaged, unless it has been restored or the
        operator has decided to skip it.
        """
        start = first_id(stream.ordinal)
        entries: list[Entry] = []
        # rows that retention could not delete, next to a damaged page, do not count
        last_seen = after = max(after, self.last_removed(stream.ordinal))
        size = 0
        try:
            with errors_as_unavailable(apsw.CorruptError):
                bounds = start + last_seen, start + stream.head.number, limit
                for row in self._connection.execute(self._read_query, bounds):
                    # a damaged row can hold a payload of another type
                    size += len(row[4]) if isinstance(row[4], bytes) else 0
                    if entries and size > self._read_bytes:
                        break
                    self._append_entry(stream, row, entries)
                    last_seen = row[0] - start
        except apsw.CorruptError:
            if not entries:
                return self._read_singly(stream, after)
        except DamagedEntry:
            if not entries:
                raise
        if not entries and last_seen > after:  # all of them are skipped
            return self.read(stream, last_seen, limit)
        return entries

    def _append_entry(self, stream: StreamRow, row: tuple[Any, ...], entries: list[Entry]) -> None:
        """Append a row's entry to ``entries``, unless it is skipped. Raises DamagedEntry."""
        if is_undamaged(row):
            entries.append(_entry(stream, row))
        elif not self._append_restored(stream, row[0], entries):
            number = row[0] - first_id(stream.ordinal)
            raise DamagedEntry(stream.client, number, row[1], "its checksum differs")

    def _append_restored(self, stream: StreamRow, row_id: int, entries: list[Entry]) -> bool:
        """Append the restored copy of a damaged entry.

        Returns whether it was restored or skipped.
        """
        if self._has_restored:
            row = fetch_one(self._connection, READ_RESTORED, (row_id,))
            if row is not None and is_undamaged(row):
                entries.append(_entry(stream, row))
                return True
        return self._skipped(row_id)

    def _read_singly(self, stream: StreamRow, after: int) -> list[Entry]:
        """Return the next entry, looked up by its number in case a page before it is damaged."""
        entries: list[Entry] = []
        for number in range(after + 1, stream.head.number + 1):
            row_id = first_id(stream.ordinal) + number
            try:
                with errors_as_unavailable(apsw.CorruptError):
                    row = fetch_one(self._connection, self._read_one_query, (row_id,))
            except apsw.CorruptError as error:
                if not self._append_restored(stream, row_id, entries):
                    why = "its page is damaged"
                    raise DamagedEntry(stream.client, number, None, why) from error
                row = None
            if row is not None:
                self._append_entry(stream, row, entries)
            if entries:
                break
        return entries

    def stored_row(self, ordinal: int, number: int) -> tuple[Any, ...] | None:
        """Return an entry's row as it is on disk, damaged or not, or None if it is unreadable."""
        try:
            row: tuple[Any, ...] | None = fetch_one(
                self._connection, self._read_one_query, (first_id(ordinal) + number,)
            )
        except apsw.Error:
            return None
        return row

    def _skipped(self, row_id: int) -> bool:
        if not self._has_checksums:
            return False
        return fetch_one(self._connection, SKIPPED, (row_id,)) is not None

    def recorded_at(self, ordinal: int, number: int) -> int | None:
        """Return the recording time of an entry, or None if it is not stored."""
        with errors_as_unavailable():
            row = fetch_one(self._connection, RECORDED_AT, (first_id(ordinal) + number,))
        return None if row is None else int(row[0])

    def last_entry_at(self, stream: StreamRow, ticks: int) -> int:
        """Return the last entry recorded at or before ``ticks``. Removed entries count, too."""
        low, high = self.last_removed(stream.ordinal), stream.head.number
        start = first_id(stream.ordinal)
        while low < high:
            middle = (low + high + 1) // 2
            with errors_as_unavailable():
                # a number in between may be missing: removed during the search, or damaged
                row = fetch_one(self._connection, LAST_RECORDED_AT, (start + middle, start + low))
            if row is None or row[0] <= ticks:
                low = middle
            else:
                high = middle - 1
        return low

    def last_removed(self, ordinal: int) -> int:
        """Return the last entry that retention has removed, or 0 if there is none."""
        with errors_as_unavailable():
            row = fetch_one(self._connection, REMOVED, (ordinal,))
        return 0 if row is None else int(row[0])

    def stored_count(self, stream: StreamRow) -> int:
        """Return the number of a stream's entries that retention has not removed."""
        return stream.head.number - self.last_removed(stream.ordinal)

    def last_removed_site(self, ordinal: int) -> Entry | None:
        """Return the last site entry that retention has removed."""
        with errors_as_unavailable():
            row = fetch_one(self._connection, REMOVED_SITE, (ordinal,))
        if row is None or row[1] is None:
            return None
        client, number, recorded_at, payload = row
        return Entry(client, number, recorded_at, "site", 0, payload)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
