"""Restores a damaged entry from another copy.

The entry is stored in a separate table, because its original page may be unusable.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from floorcast.log.duplicates import payload_keys
from floorcast.log.group_commit import entry_checksum
from floorcast.log.log_file import CACHE_KIB, KINDS, PAGE_BYTES, StreamRow, first_id
from floorcast.log.log_reader import LogReader, is_undamaged
from floorcast.log.port import Entry, EntryKind
from floorcast.model.errors import DamagedEntry, Unavailable
from floorcast.sqlite.files import connect, transaction

__all__ = ["StateBefore", "SuspectEntries", "find_suspects", "read_state_before", "restore_entries"]

MAX_SUSPECTS = 1000  # entries restored together
LATEST_TICK = 2**62  # ticks; later than any entry
READ_ENTRIES = 64  # entries read at a time
ADD_RESTORED = "INSERT OR REPLACE INTO restored VALUES (?, ?, ?, ?, ?, ?)"


class SuspectEntries(NamedTuple):
    """A client's consecutive damaged entries, starting at ``number``.

    They were recorded after tick ``after`` and before tick ``until``, which are the times of the
    intact entries around them. ``rows`` contains the stored rows, with None for an unreadable one.
    ``row_id`` is the id of the first row.
    """

    client: int
    number: int
    row_id: int
    after: int
    until: int
    rows: Sequence[tuple[Any, ...] | None]

    def accepts(self, entries: Sequence[Entry]) -> bool:
        """Return whether these entries are the ones that were written here."""
        times = [self.after, *(entry.recorded_at for entry in entries), self.until]
        return (
            len(entries) == len(self.rows)
            and all(earlier < later for earlier, later in pairwise(times))
            and all(map(_matches, self.rows, self._rows(entries)))
        )

    def _rows(self, entries: Iterable[Entry]) -> Iterator[tuple[Any, ...]]:
        return (_row(self.row_id + index, entry) for index, entry in enumerate(entries))


def _matches(stored: tuple[Any, ...] | None, row: tuple[Any, ...]) -> bool:
    # a damaged checksum of an intact entry is also damage
    return stored is None or stored[5] == row[5] or stored[:5] == row[:5]


class StateBefore(NamedTuple):
    """The state of a log before an entry: which of the given keys it had, and the client's site."""

    keys: Collection[bytes]
    site: bytes | None


def find_suspects(reader: LogReader, stream: StreamRow, number: int) -> SuspectEntries:
    """Return a damaged entry and the damaged ones directly after it. Raises Unavailable."""
    rows: list[tuple[Any, ...] | None] = []
    until = LATEST_TICK
    for each in range(number, min(stream.head.number, number + MAX_SUSPECTS) + 1):
        row = reader.stored_row(stream.ordinal, each)
        if row is not None and is_undamaged(row):
            until = row[1]
            break
        rows.append(row)
    earlier = reader.stored_row(stream.ordinal, number - 1)
    after = earlier[1] if earlier is not None and is_undamaged(earlier) else 0
    return SuspectEntries(
        stream.client, number, first_id(stream.ordinal) + number, after, until, rows
    )


def read_state_before(
    path: Path, stream: StreamRow, number: int, since: int, keys: set[bytes]
) -> StateBefore:
    """Return the log's state before entry ``number``.

    Only keys of entries recorded at tick ``since`` or later count. This reads the client's whole
    log, so call it in a thread. Raises Unavailable.
    """
    reader = LogReader(path)
    try:
        site = reader.last_removed_site(stream.ordinal)
        payload = None if site is None else site.payload
        known_keys: set[bytes] = set()
        after = 0
        while after < number - 1:
            try:
                entries = reader.read(stream, after, min(READ_ENTRIES, number - 1 - after))
            except DamagedEntry as error:
                after = error.number
                continue
            for entry in entries:
                if entry.number >= number:
                    break
                if entry.kind == "site":
                    payload = entry.payload
                elif entry.kind == "events" and entry.recorded_at >= since:
                    known_keys |= keys.intersection(payload_keys(stream.client, entry.payload))
            if not entries:
                break
            after = entries[-1].number
        return StateBefore(known_keys, payload)
    finally:
        reader.close()


def restore_entries(path: Path, row_id: int, entries: Sequence[Entry]) -> None:
    """Store fetched entries for the damaged ones from ``row_id`` on. Raises Unavailable."""
    try:
        connection = connect(path, page_size=PAGE_BYTES, synchronous="FULL", cache_kib=CACHE_KIB)
        try:
            with transaction(connection):
                rows = [_row(row_id + index, entry) for index, entry in enumerate(entries)]
                connection.executemany(ADD_RESTORED, rows)
        finally:
            connection.close()
    except (OSError, apsw.Error) as error:
        raise Unavailable(f"{path} cannot be written: {error}") from error


def _row(row_id: int, entry: Entry) -> tuple[int, int, int, int, bytes, int]:
    kind: EntryKind = entry.kind
    values = row_id, entry.recorded_at, KINDS.index(kind), entry.count, entry.payload
    return (*values, entry_checksum(*values))
