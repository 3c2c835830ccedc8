"""The store's index of calls that have left memory, by day and service.

The index records how each call counts. A call may come back to memory and leave again, so a row is
valid from its position onward. If a row's ``result`` is None, the call no longer counts there,
because it is in memory or has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import NamedTuple

import apsw
from xxhash import xxh3_64_intdigest

from floorcast.model.token import TICKS_PER_SECOND
from floorcast.sqlite import bulk_rows
from floorcast.sqlite.background_writer import BackgroundWriter
from floorcast.sqlite.files import fetch
from floorcast.store.damage import DamagedRow, ReportDamage, reading_derived

__all__ = ["STEP", "CallDay", "CallDays", "damaged"]

STEP = """
CREATE TABLE call_days (
    day INTEGER NOT NULL,
    client INTEGER NOT NULL,
    service INTEGER NOT NULL,
    transaction_id INTEGER NOT NULL,
    session TEXT NOT NULL,
    version INTEGER NOT NULL,
    offered INTEGER,
    result INTEGER,
    at INTEGER,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (day, client, service, transaction_id, session, version)
) WITHOUT ROWID;
"""
"""The layout step that creates the index."""

INSERT = """INSERT OR REPLACE INTO call_days
(day, client, service, transaction_id, session, version, offered, result, at, checksum)"""
READ = """
SELECT transaction_id, session, version, offered, result, at, checksum FROM call_days
WHERE day = ?1 AND client = ?2 AND service = ?3
    AND (transaction_id, session, version) > (?4, ?5, ?6)
ORDER BY transaction_id, session, version LIMIT ?7
"""
ALL = """SELECT day, client, service, transaction_id, session, version, offered, result, at,
checksum FROM call_days"""
DELETE_CLIENT = "DELETE FROM call_days WHERE client = ?"
DELETE_AFTER = "DELETE FROM call_days WHERE client = ? AND version > ?"
TRIM = """
DELETE FROM call_days WHERE (day, client, service, transaction_id, session, version) IN (
    SELECT day, client, service, transaction_id, session, version FROM call_days
    WHERE day < ? ORDER BY day, client, service, transaction_id, session, version LIMIT ?)
"""

TRIM_ROWS = 512  # rows deleted at a time
READ_ROWS = 400  # rows read in one turn of the event loop, which takes about a millisecond
PENDING_ROW_BYTES = 400  # bytes of memory that a pending row takes
DAY_SECONDS = 86_400
EPOCH_DAY = 719_163  # the day of 1970-01-01, as ``date.toordinal`` counts
MIN_TRANSACTION = -(2**63)  # less than any transaction
_pack = Struct("<8q").pack


class CallDay(NamedTuple):
    """How a call counts at a service on a day: a row without its key.

    ``offered`` and ``at`` are in ms. ``result`` is None if the call no longer counts.
    """

    transaction: int
    session: str
    offered: int | None
    result: int | None
    at: int | None


_DayKey = tuple[int, int, int]
"""A day, a client and a service."""
_Version = tuple[int, str, int]
"""A transaction, a session and a version, as the index orders them."""


class CallDays:
    """The index. Rows that are not stored yet are read from memory."""

    def __init__(
        self, reader: apsw.Connection, writer: BackgroundWriter, report: ReportDamage
    ) -> None:
        self.reader = reader
        self._writer = writer
        self._report = report
        self._pending: dict[_DayKey, dict[_Version, CallDay]] = {}

    def write(self, client: int, position: int, rows: Iterable[tuple[int, int, CallDay]]) -> None:
        """Store how calls count from ``position`` onward.

        Each row is (day, service, how the call counts). If one position has both a row with a
        result and a row without one for the same call, the row without a result is the newer one.
        """
        table, keys = [], []
        pending, shifted = self._pending, position << 1
        for day, service, row in rows:
            day_key = (day, client, service)
            version = (row.transaction, row.session, shifted | (row.result is None))
            try:
                pending[day_key][version] = row
            except KeyError:
                pending[day_key] = {version: row}
            keys.append((day_key, version))
            table.append((*day_key, *version, *row[2:], _checksum(day_key, version, row)))

        def work(connection: apsw.Connection) -> None:
            bulk_rows.insert_rows(connection, INSERT, table)

        def done() -> None:
            for day_key, version in keys:
                waiting = self._pending.get(day_key)
                if waiting is not None:
                    waiting.pop(version, None)
                    if not waiting:
                        del self._pending[day_key]

        if table:
            self._writer.submit(PENDING_ROW_BYTES * len(table), work, done)

    def of(self, client: int, day: int, service: int, through: int) -> Iterator[list[CallDay]]:
        """Return the calls that count as of position ``through``, a few per turn of the event loop.

        Raises Unavailable.
        """
        day_key, last = (day, client, service), through << 1 | 1
        newest: dict[tuple[int, str], tuple[int, CallDay]] = {}
        for (transaction, session, version), row in self._pending.get(day_key, {}).items():
            key = transaction, session
            if version <= last and (key not in newest or newest[key][0] < version):
                newest[key] = version, row
        return self._merged(day_key, last, newest)

    def _merged(
        self, day_key: _DayKey, last: int, newest: dict[tuple[int, str], tuple[int, CallDay]]
    ) -> Iterator[list[CallDay]]:
        """Yield the stored rows and those in ``newest``, which were pending when the read began."""
        known: CallDay | None = None
        for rows in self._stored(day_key):
            found = []
            for version, row in rows:
                key = row.transaction, row.session
                if known is not None and key != (known.transaction, known.session):
                    found.append(known)
                    known = None
                if version > last or (key in newest and newest[key][0] > version):
                    continue
                newest.pop(key, None)
                known = row
            yield [row for row in found if row.result is not None]
        rest = [] if known is None else [known]
        rest += [row for _, row in newest.values()]
        yield [row for row in rest if row.result is not None]

    def _stored(self, day_key: _DayKey) -> Iterator[list[tuple[int, CallDay]]]:
        after: _Version = (MIN_TRANSACTION, "", 0)
        while True:
            rows = []
            with reading_derived(day_key[1], self._report):
                bindings = (*day_key, *after, READ_ROWS)
                for transaction, session, version, *numbers, stored in fetch(
                    self.reader, READ, bindings
                ):
                    row = CallDay(transaction, session, *numbers)
                    after = transaction, session, version
                    if stored != _checksum(day_key, after, row):
                        raise DamagedRow
                    rows.append((version, row))
            yield rows
            if len(rows) < READ_ROWS:
                return

    def delete_client(self, client: int) -> None:
        """Delete all of a client's rows that have been submitted so far."""
        self._writer.submit(0, lambda connection: connection.execute(DELETE_CLIENT, (client,)))


def delete_after(connection: apsw.Connection, client: int, position: int) -> None:
    """Delete a client's rows after a position, whose floor will be folded again."""
    connection.execute(DELETE_AFTER, (client, position << 1 | 1))


def trim(connection: apsw.Connection, before: int) -> bool:
    """Delete some rows of days that had ended in every time zone before a tick.

    Returns whether there may be more.
    """
    day = EPOCH_DAY + before // TICKS_PER_SECOND // DAY_SECONDS - 1
    connection.execute(TRIM, (day, TRIM_ROWS))
    return connection.changes() == TRIM_ROWS


def damaged(connection: apsw.Connection) -> Iterator[str]:
    """Yield a description of each damaged row. Raises apsw.Error."""
    for *key, offered, result, at, stored in connection.execute(ALL):
        day, client, service, transaction, session, version = key
        row = CallDay(transaction, session, offered, result, at)
        if stored != _checksum((day, client, service), (transaction, session, version), row):
            yield f"call {transaction} of day {day} of the calls by day"


def _checksum(day_key: _DayKey, version: _Version, row: CallDay) -> int:
    offered, result, at = row[2:]
    packed = _pack(
        *day_key,
        version[0],
        version[2],
        -1 if offered is None else offered,
        -1 if result is None else result,
        -1 if at is None else at,
    )
    return xxh3_64_intdigest(version[1].encode(), xxh3_64_intdigest(packed)) >> 1
