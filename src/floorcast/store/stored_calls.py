"""The calls in the store that have left the floor's memory.

A late event may still change a call, and the floor may be folded again from an older snapshot. For
this reason, a call has versions, each of which is valid from a position onward.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple
from zlib import crc32

import apsw

from floorcast.model.token import entry_of
from floorcast.sqlite import bulk_rows
from floorcast.sqlite.background_writer import BackgroundWriter
from floorcast.sqlite.checksums import checksum
from floorcast.sqlite.derived_files import record_progress
from floorcast.sqlite.files import fetch
from floorcast.store.damage import UNREADABLE, DamagedRow, ReportDamage, reading_derived

__all__ = ["SCHEMA", "CallKey", "StoredCalls", "damaged", "find_stored", "rewrite"]

SCHEMA = """
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    mark INTEGER NOT NULL,
    client INTEGER NOT NULL,
    place INTEGER NOT NULL,
    transaction_id INTEGER NOT NULL,
    session TEXT NOT NULL,
    last_event_ms INTEGER NOT NULL,
    written INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX calls_by_mark ON calls (mark);
"""

INSERT = """INSERT INTO calls
(mark, client, place, transaction_id, session, last_event_ms, written, body, checksum)"""
ALL = """
SELECT id, mark, checksum, client, place, transaction_id, session, last_event_ms, written, body
FROM calls
"""
DELETE_CLIENT = "DELETE FROM calls WHERE client = ?"
DELETE_AFTER = "DELETE FROM calls WHERE client = ? AND place > ?"
FIND = """
SELECT c.checksum, c.client, c.place, c.transaction_id, c.session,
    c.last_event_ms, c.written, c.body
FROM carray(?1) AS k CROSS JOIN calls AS c ON c.mark = k.value
WHERE c.client = ?2 AND c.place <= ?3
"""
OF_CLIENT = """
SELECT id, checksum, client, place, transaction_id, session, last_event_ms, written, body
FROM calls WHERE client = ?
"""
REPLACE = "UPDATE calls SET body = ?, checksum = ? WHERE id = ?"
TRIM = """
DELETE FROM calls
WHERE id IN (SELECT id FROM calls ORDER BY id LIMIT ?) AND written < ?
"""

TRIM_CALLS = 512  # versions deleted at a time
CLIENT_FACTOR = 0xC2B2AE3D27D4EB4F  # keeps different clients' calls apart in the index
OVERHEAD_BYTES = 300  # bytes of memory per pending version, in addition to its body

CallKey = tuple[int, str]
"""A call's transaction and session."""


class _Row(NamedTuple):
    """A version of a call: the columns that its checksum covers."""

    client: int
    position: int
    transaction: int
    session: str
    last_event_ms: int
    written: int
    body: bytes


class StoredCalls:
    """The stored versions of calls. Versions that are not stored yet are read from memory."""

    def __init__(
        self, reader: apsw.Connection, writer: BackgroundWriter, report: ReportDamage
    ) -> None:
        self.reader = reader
        self._report = report
        self._writer = writer
        self._pending: dict[tuple[int, CallKey], list[tuple[int, bytes]]] = {}

    def write(
        self,
        client: int,
        position: int,
        versions: Iterable[tuple[int, str, int, bytes]],
        written: int,
    ) -> None:
        """Store the state that calls have from ``position`` onward.

        ``written`` is the present time in ticks.
        """
        keys: list[tuple[int, CallKey]] = []
        table = []
        size = 0
        for transaction, session, last_event_ms, body in versions:
            key = client, (transaction, session)
            keys.append(key)
            self._pending.setdefault(key, []).append((position, body))
            row = _Row(client, position, transaction, session, last_event_ms, written, body)
            table.append((_fingerprint(client, transaction, session), *row, _checksum(row)))
            size += len(body) + OVERHEAD_BYTES

        def work(connection: apsw.Connection) -> None:
            bulk_rows.insert_rows(connection, INSERT, table)
            record_progress(connection, client, entry_of(position))

        def done() -> None:
            for key in keys:
                waiting = self._pending[key]
                del waiting[0]
                if not waiting:
                    del self._pending[key]

        if table:
            self._writer.submit(size, work, done)

    def find(
        self, client: int, keys: Collection[CallKey], at_position: int
    ) -> dict[CallKey, bytes]:
        """Return the newest version of each call at or before ``at_position``, if there is one.

        Raises Unavailable.
        """
        best: dict[CallKey, tuple[int, bytes]] = {}
        if self._pending:
            for key in keys:
                _improve(best, key, at_position, self._pending.get((client, key), ()))
        if keys:
            with reading_derived(client, self._report):
                _improve_from(self.reader, best, client, keys, at_position)
        return {key: body for key, (_, body) in best.items()}

    def delete_client(self, client: int) -> None:
        """Delete all versions of a client's calls that have been submitted so far."""
        self._writer.submit(0, lambda connection: connection.execute(DELETE_CLIENT, (client,)))


def find_stored(
    connection: apsw.Connection, client: int, keys: Collection[CallKey], at_position: int
) -> dict[CallKey, bytes]:
    """Return the newest stored version of each call at or before ``at_position``, if there is one.

    Raises apsw.Error, or an error in ``UNREADABLE`` if a row is damaged.
    """
    best: dict[CallKey, tuple[int, bytes]] = {}
    _improve_from(connection, best, client, keys, at_position)
    return {key: body for key, (_, body) in best.items()}


def _improve_from(
    connection: apsw.Connection,
    best: dict[CallKey, tuple[int, bytes]],
    client: int,
    keys: Collection[CallKey],
    at_position: int,
) -> None:
    wanted = set(keys)
    fingerprints = array("q", [_fingerprint(client, *key) for key in keys])
    for stored, *row in fetch(connection, FIND, (apsw.carray(fingerprints), client, at_position)):
        version = _Row(*row)
        _check(stored, version)
        key = version.transaction, version.session
        if key in wanted:  # another call may have the same fingerprint
            _improve(best, key, at_position, ((version.position, version.body),))


def _improve(
    best: dict[CallKey, tuple[int, bytes]],
    key: CallKey,
    at_position: int,
    versions: Iterable[tuple[int, bytes]],
) -> None:
    for version in versions:
        if version[0] <= at_position and (key not in best or version[0] > best[key][0]):
            best[key] = version


def delete_after(connection: apsw.Connection, client: int, position: int) -> None:
    """Delete a client's versions after a position, whose floor will be folded again."""
    connection.execute(DELETE_AFTER, (client, position))


def trim(connection: apsw.Connection, before: int) -> bool:
    """Delete some versions that were written before a tick. Returns whether there may be more."""
    connection.execute(TRIM, (TRIM_CALLS, before))
    return connection.changes() == TRIM_CALLS


def rewrite(
    connection: apsw.Connection,
    client: int,
    change: Callable[[bytes], bytes | None],
    *,
    dry_run: bool = False,
) -> int:
    """Change the bodies of a client's calls. Returns the number of changed bodies.

    ``change`` returns None for a body that does not change.
    """
    changed = 0
    for row_id, stored, *columns in fetch(connection, OF_CLIENT, (client,)):
        row = _Row(*columns)
        body = change(row.body)
        if body is None:
            continue
        changed += 1
        if not dry_run:
            _check(stored, row)
            row = row._replace(body=body)
            connection.execute(REPLACE, (body, _checksum(row), row_id))
    return changed


def damaged(connection: apsw.Connection) -> Iterator[str]:
    """Yield a description of each damaged version. Raises apsw.Error."""
    for row_id, mark, stored, *row in connection.execute(ALL):
        try:
            version = _Row(*row)
            _check(stored, version)
            if mark != _fingerprint(version.client, version.transaction, version.session):
                raise DamagedRow
        except UNREADABLE:
            yield f"row {row_id} of the calls"


def _checksum(row: _Row) -> int:
    numbers = row.client, row.position, row.transaction, row.last_event_ms, row.written
    return checksum(_content(row), *numbers)


def _content(row: _Row) -> bytes:
    return row.session.encode() + b"\n" + row.body


def _check(stored: int | None, row: _Row) -> None:
    """Raise DamagedRow for a damaged row. The oldest rows have no checksum."""
    if stored is None or stored == _checksum(row):
        return
    # the checksums of an earlier release covered fewer numbers
    if stored != checksum(_content(row), row.client, row.position, row.transaction):
        raise DamagedRow


def _fingerprint(client: int, transaction: int, session: str) -> int:
    """Return a number by which a small index finds candidate rows for a call.

    The rows must then be compared with the call, because different calls can have the same number.
    Consecutive transactions have adjacent numbers, which reduces disk reads.
    """
    return (transaction + client * CLIENT_FACTOR & 0xFFFFFFFFFF) << 23 | crc32(
        session.encode()
    ) & 0x7FFFFF
