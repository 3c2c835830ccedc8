"""The store's snapshots of a client's floor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import apsw
import structlog

from floorcast.sqlite.background_writer import DAMAGED, BackgroundWriter
from floorcast.sqlite.checksums import checksum
from floorcast.sqlite.derived_files import reach
from floorcast.sqlite.files import fetch, reading
from floorcast.store.damage import UNREADABLE, DamagedRow, Report

__all__ = ["SCHEMA", "Snapshot", "StoredSnapshots", "damaged"]

SCHEMA = """
CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY,
    client INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    version INTEGER NOT NULL,
    blob BLOB NOT NULL,
    UNIQUE (client, entry)
);
"""

INSERT = """
INSERT OR REPLACE INTO snapshots (client, entry, version, blob, checksum) VALUES (?, ?, ?, ?, ?)
"""
KEEP = """
DELETE FROM snapshots WHERE client = ?1 AND entry NOT IN (
    SELECT entry FROM snapshots WHERE client = ?1 ORDER BY entry DESC LIMIT ?2
)
"""
ALL = "SELECT id, client, entry, version, blob, checksum FROM snapshots"
NEWEST = """
SELECT entry, version, blob, checksum FROM snapshots
WHERE client = ? AND entry <= ? ORDER BY entry DESC
"""

KEPT = 2  # snapshots a client: one that can be read should the newest not be usable


_log = structlog.get_logger(__name__)


class Snapshot(NamedTuple):
    """A client's floor after ``entry``, in the floor's own encoding ``version``."""

    entry: int
    version: int
    blob: bytes


class StoredSnapshots:
    """The newest snapshots by client; what is not stored yet is read from memory."""

    def __init__(self, reader: apsw.Connection, writer: BackgroundWriter, report: Report) -> None:
        self.reader = reader
        self._report = report
        self._writer = writer
        self._pending: dict[int, list[Snapshot]] = {}

    def write(self, client: int, snapshot: Snapshot) -> None:
        """Hand in a snapshot; older ones than the newest few go with it."""

        def work(connection: apsw.Connection) -> None:
            connection.execute(INSERT, (client, *snapshot, _checksum(client, snapshot)))
            connection.execute(KEEP, (client, KEPT))
            reach(connection, client, snapshot.entry)

        def done() -> None:
            waiting = self._pending[client]
            del waiting[0]
            if not waiting:
                del self._pending[client]

        self._pending.setdefault(client, []).append(snapshot)
        self._writer.submit(len(snapshot.blob), work, done)

    def newest(self, client: int, at_most_entry: int) -> Snapshot | None:
        """The newest sound snapshot at or before an entry. Raises Unavailable."""
        found = [each for each in self._pending.get(client, ()) if each.entry <= at_most_entry]
        rows: list[tuple[int, int, bytes, int | None]] = []
        try:
            with reading(*DAMAGED):
                rows = fetch(self.reader, NEWEST, (client, at_most_entry))
        except DAMAGED:  # the floor is folded from the log instead
            self._report(None)
        for entry, version, blob, stored in rows:
            snapshot = Snapshot(entry, version, blob)
            with suppress(*UNREADABLE):
                if stored is None or stored == _checksum(client, snapshot):
                    found.append(snapshot)
                    break
            _log.warning("snapshot_unreadable", client=client, entry=snapshot.entry)
        return max(found, default=None)


def damaged(connection: apsw.Connection) -> Iterator[str]:
    """The names of damaged snapshots. Raises apsw.Error."""
    for row_id, client, entry, version, blob, stored in connection.execute(ALL):
        try:
            if stored is not None and stored != _checksum(client, Snapshot(entry, version, blob)):
                raise DamagedRow
        except UNREADABLE:
            yield f"row {row_id} of the snapshots"


def _checksum(client: int, snapshot: Snapshot) -> int:
    return checksum(snapshot.blob, client, snapshot.entry, snapshot.version)
