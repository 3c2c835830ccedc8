"""Rewrites events in the log of a stopped server. Numbers, times and keys stay the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import apsw

from floorcast.log.group_commit import entry_checksum
from floorcast.log.log_file import KINDS, PAGE_BYTES, StreamRow, first_id
from floorcast.log.log_reader import LogReader, is_undamaged
from floorcast.model.errors import DamagedEntry, Unavailable
from floorcast.sqlite.files import connect, transaction

__all__ = ["LineRewriter", "rewrite_entries", "stored_lines"]

LineRewriter = Callable[[bytes], bytes | None]
"""Takes an event as JSON, and returns the changed event, or None to leave it unchanged."""

READ_ENTRIES = 64  # entries read at a time
CACHE_KIB = 4096
TABLES = ("entries", "restored")
ROWS = "SELECT id, taken, kind, count, payload, checksum FROM {} WHERE id >= ? AND id < ?"
UPDATE = "UPDATE {} SET payload = ?, checksum = ? WHERE id = ?"


def stored_lines(
    reader: LogReader, stream: StreamRow, on_read: Callable[[int], None]
) -> Iterator[bytes]:
    """Yield each event of a client as JSON, except in damaged entries. Raises Unavailable.

    ``on_read`` receives the number of the newest entry that has been read.
    """
    after = 0
    while True:
        try:
            entries = reader.read(stream, after, READ_ENTRIES)
        except DamagedEntry as error:
            after = max(after + 1, error.number)
            continue
        if not entries:
            return
        for entry in entries:
            if entry.kind == "events":
                yield from entry.payload.split(b"\n")
        after = entries[-1].number
        on_read(after)


def rewrite_entries(
    path: Path,
    ordinal: int,
    change: LineRewriter,
    on_read: Callable[[int], None],
    *,
    dry_run: bool,
) -> int:
    """Change events of a stream in one transaction. Returns the number of changed events.

    ``on_read`` receives the number of the newest entry that has been read. With ``dry_run``, the
    events are only counted. Damaged entries are not changed. Raises Unavailable.
    """
    changed = 0
    try:
        connection = connect(path, page_size=PAGE_BYTES, synchronous="FULL", cache_kib=CACHE_KIB)
        connection.pragma("secure_delete", 1)
        reader = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        with transaction(connection):
            for table in TABLES:
                bounds = first_id(ordinal), first_id(ordinal + 1)
                for row in reader.execute(ROWS.format(table), bounds):
                    on_read(row[0] - bounds[0])
                    if not is_undamaged(row) or KINDS[row[2]] != "events":
                        continue
                    lines = [(line, change(line)) for line in row[4].split(b"\n")]
                    count = sum(new is not None for _, new in lines)
                    if not count:
                        continue
                    changed += count
                    payload = b"\n".join(old if new is None else new for old, new in lines)
                    if not dry_run:
                        entry_sum = entry_checksum(row[0], row[1], row[2], row[3], payload)
                        connection.execute(UPDATE.format(table), (payload, entry_sum, row[0]))
        reader.close()
        connection.close()
    except (apsw.Error, OSError) as error:
        raise Unavailable(f"{path} cannot be rewritten: {error}") from error
    return changed
