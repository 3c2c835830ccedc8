"""The store's snapshots of clients' floors.

They are kept as far back as the log reaches, because a floor at a past time is folded from the last
snapshot before that time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

import apsw
import msgspec
import structlog

from floorcast.floor.state import SNAPSHOT_VERSION, FloorState, from_snapshot
from floorcast.model.undecodable import UNDECODABLE
from floorcast.sqlite.background_writer import DAMAGED, BackgroundWriter
from floorcast.sqlite.checksums import checksum
from floorcast.sqlite.derived_files import record_progress
from floorcast.sqlite.files import errors_as_unavailable, fetch, fetch_one
from floorcast.store.damage import UNREADABLE, DamagedRow, ReportDamage

__all__ = [
    "SCHEMA",
    "Snapshot",
    "SnapshotBlob",
    "StoredSnapshots",
    "damaged",
    "newest_entry",
    "newest_state",
    "oldest",
    "rewrite",
    "state_of",
    "undamaged",
]

_ARRAY_32, _BIN_32 = b"\xdd", b"\xc6"  # msgpack's types with a length of four bytes
_parts_decoder = msgspec.msgpack.Decoder(list[bytes])

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
TRIM = """
DELETE FROM snapshots WHERE id IN (
    SELECT id FROM (
        SELECT id, entry, row_number() OVER newest AS row, sum(length(blob)) OVER newest AS size
        FROM snapshots WHERE client = ?1 WINDOW newest AS (ORDER BY entry DESC)
    ) WHERE row > ?2 AND (entry < ?3 OR size > ?4)
)
"""
NEWEST_ENTRY = "SELECT max(entry) FROM snapshots WHERE client = ? AND entry <= ?"
OLDEST = "SELECT min(entry) FROM snapshots WHERE client = ? AND entry >= ?"
ALL = "SELECT id, client, entry, version, blob, checksum FROM snapshots"
NEWEST = """
SELECT entry, version, blob, checksum FROM snapshots
WHERE client = ? AND entry <= ? AND entry >= ? ORDER BY entry DESC LIMIT 1
"""

ENTRIES = "SELECT entry FROM snapshots WHERE client = ? ORDER BY entry"
REMOVE = "DELETE FROM snapshots WHERE client = ? AND entry = ?"

MIN_KEPT_SNAPSHOTS = 2  # kept per client regardless of size, in case the newest is unusable
MAX_CLIENT_BYTES = 2 << 30  # a client's snapshots on disk; beyond this, the oldest are deleted
# The start of a compressed blob. Older releases stored msgpack, which never starts with this byte.
_ZLIB = b"\x78"
_LEVEL = 1
_MIN_COMPRESSION_RATIO = 8  # the least factor by which compression shrinks a snapshot

_log = structlog.get_logger(__name__)


class Snapshot(NamedTuple):
    """A client's floor after ``entry``. ``version`` is the version of the floor's encoding."""

    entry: int
    version: int
    blob: bytes | bytearray


class SnapshotBlob:
    """Builds a snapshot's blob (an array of binaries in msgpack) part by part.

    Joining all parts of a large floor at once would stop the event loop for tens of milliseconds.
    """

    def __init__(self) -> None:
        self.content = bytearray(_ARRAY_32 + bytes(4))
        self._count = 0

    def add(self, part: bytes) -> None:
        """Add a part of at most 4 GiB."""
        self.content += _BIN_32 + len(part).to_bytes(4, "big")
        self.content += part
        self._count += 1
        self.content[1:5] = self._count.to_bytes(4, "big")


class StoredSnapshots:
    """The stored snapshots. Snapshots that are not stored yet are read from memory."""

    def __init__(
        self,
        reader: apsw.Connection,
        writer: BackgroundWriter,
        report: ReportDamage,
        max_bytes: int = MAX_CLIENT_BYTES,
    ) -> None:
        self.reader = reader
        self._report = report
        self._writer = writer
        self._max_bytes = max_bytes
        self._pending: dict[int, list[Snapshot]] = {}

    def write(self, client: int, snapshot: Snapshot, kept_from: int) -> None:
        """Store a snapshot.

        Snapshots before entry ``kept_from`` are deleted. If the rest is larger than ``max_bytes``,
        the oldest ones are also deleted. The newest two always stay.
        """
        bounds = client, MIN_KEPT_SNAPSHOTS, kept_from, self._max_bytes

        def work(connection: apsw.Connection) -> None:
            stored = snapshot._replace(blob=zlib.compress(snapshot.blob, _LEVEL))
            connection.execute(INSERT, (client, *stored, _checksum(client, stored)))
            connection.execute(TRIM, bounds)
            record_progress(connection, client, snapshot.entry)

        def done() -> None:
            waiting = self._pending[client]
            del waiting[0]
            if not waiting:
                del self._pending[client]

        self._pending.setdefault(client, []).append(snapshot)
        # the approximate compressed size: large hourly snapshots must not stop ingest
        self._writer.submit(len(snapshot.blob) // _MIN_COMPRESSION_RATIO + 1, work, done)

    def newest(self, client: int, at_most_entry: int) -> Snapshot | None:
        """Return the newest undamaged snapshot at or before an entry, if any.

        Raises Unavailable.
        """
        found = [each for each in self._pending.get(client, ()) if each.entry <= at_most_entry]
        try:
            found += list(undamaged(self.reader, client, at_most_entry))[:1]
        except DAMAGED:  # the floor is folded from the log instead
            self._report(None)
        return max(found, default=None)


def undamaged(
    connection: apsw.Connection, client: int, at_most_entry: int, at_least_entry: int = 0
) -> Iterator[Snapshot]:
    """Yield the undamaged snapshots within these bounds, newest first.

    Raises Unavailable and the errors in ``DAMAGED``.
    """
    while True:
        with errors_as_unavailable(*DAMAGED):
            row = fetch_one(connection, NEWEST, (client, at_most_entry, at_least_entry))
        if row is None:
            return
        entry, version, blob, stored = row
        at_most_entry = entry - 1
        snapshot = Snapshot(entry, version, blob)
        with suppress(*UNREADABLE, zlib.error):
            if stored is None or stored == _checksum(client, snapshot):
                if blob.startswith(_ZLIB):
                    snapshot = snapshot._replace(blob=zlib.decompress(blob))
                yield snapshot
                continue
        _log.warning("snapshot_unreadable", client=client, entry=snapshot.entry)


def newest_entry(connection: apsw.Connection, client: int, at_most_entry: int) -> int | None:
    """Return the entry of the newest snapshot at or before an entry, if any.

    Raises Unavailable and the errors in ``DAMAGED``.
    """
    with errors_as_unavailable(*DAMAGED):
        found: int | None = fetch_one(connection, NEWEST_ENTRY, (client, at_most_entry))[0]
    return found


def oldest(connection: apsw.Connection, client: int, at_least_entry: int) -> int | None:
    """Return the entry of the oldest snapshot at or after an entry, if any.

    Raises Unavailable and the errors in ``DAMAGED``.
    """
    with errors_as_unavailable(*DAMAGED):
        found: int | None = fetch_one(connection, OLDEST, (client, at_least_entry))[0]
    return found


def rewrite(
    connection: apsw.Connection,
    client: int,
    change: Callable[[bytes], bytes | None],
    *,
    dry_run: bool = False,
) -> int:
    """Change a client's snapshots. Returns the number of changed snapshots.

    ``change`` returns None for a snapshot that does not change. Damaged snapshots are deleted,
    because their content is unknown.
    """
    changed = 0
    readable = {one.entry: one for one in undamaged(connection, client, 1 << 62)}
    for (entry,) in fetch(connection, ENTRIES, (client,)):
        snapshot = readable.get(entry)
        if snapshot is None:
            if not dry_run:
                connection.execute(REMOVE, (client, entry))
            continue
        blob = change(bytes(snapshot.blob))
        if blob is not None:
            changed += 1
            if not dry_run:
                stored = snapshot._replace(blob=zlib.compress(blob, _LEVEL))
                connection.execute(INSERT, (client, *stored, _checksum(client, stored)))
    return changed


def damaged(connection: apsw.Connection) -> Iterator[str]:
    """Yield a description of each damaged snapshot. Raises apsw.Error."""
    for row_id, client, entry, version, blob, stored in connection.execute(ALL):
        try:
            if stored is not None and stored != _checksum(client, Snapshot(entry, version, blob)):
                raise DamagedRow
        except UNREADABLE:
            yield f"row {row_id} of the snapshots"


def _checksum(client: int, snapshot: Snapshot) -> int:
    return checksum(bytes(snapshot.blob), client, snapshot.entry, snapshot.version)


def newest_state(
    client: int, newest: Callable[[int], Snapshot | None], at_most_entry: int, removed: int
) -> FloorState | None:
    """Return the floor in the newest usable snapshot at or before an entry, or None.

    ``newest`` finds the newest undamaged snapshot at or before an entry. If a snapshot cannot be
    decoded or was written by a newer release, an older one is used. ``removed`` is the last entry
    that retention has removed. Snapshots before it are not usable, because the log no longer has
    all entries that follow them.
    """
    while (found := newest(at_most_entry)) is not None and found.entry >= removed:
        state = state_of(client, found)
        if state is not None:
            return state
        at_most_entry = found.entry - 1
    return None


def state_of(client: int, snapshot: Snapshot) -> FloorState | None:
    """Return the state in a snapshot.

    Return None if a newer release wrote the snapshot, or if it cannot be decoded.
    """
    if snapshot.version > SNAPSHOT_VERSION:
        return None
    try:
        return from_snapshot(_parts_decoder.decode(snapshot.blob))
    except UNDECODABLE:
        _log.warning("snapshot_unreadable", client=client, entry=snapshot.entry)
        return None
