"""The log's retention: removes the oldest entries, a few per transaction, on the writer's thread.

New entries reuse the freed pages, so the file keeps the size of its largest day and no data is
moved. Each transaction is flushed. Without this flush, a later failed flush could lose the part of
a transaction that is still in the cache, and a checkpoint would write the other part.

A damaged page does not stop retention. Rows that cannot be deleted stay in the file, and the
stream's ``removed`` moves past them.

``SteadyClock`` is the clock for code that deletes old data. It does not immediately trust a wall
clock that has moved ahead.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

import apsw
import structlog

from floorcast.log.log_file import SITE, StreamRow, first_id
from floorcast.log.port import HOUR, RETENTION
from floorcast.log.tuning import LogTuning
from floorcast.model.token import TICKS_PER_SECOND, Now, boot_seconds
from floorcast.sqlite.files import fetch_one, transaction

__all__ = ["Retention", "SteadyClock", "kept_since"]

SCAN_ENTRIES = 10_000  # numbers tried after a damaged page to find the next entry

OLDEST = "SELECT id, taken FROM entries WHERE id >= ? AND id < ? ORDER BY id LIMIT 1"
ENTRY = "SELECT id, taken FROM entries WHERE id = ?"
CHOOSE_OLD = """
SELECT max(id), max(taken), count(*), max(CASE kind WHEN ?4 THEN id END)
FROM (
    SELECT id, taken, kind, sum(size) OVER (ORDER BY id) - size AS before
    FROM (
        SELECT id, taken, kind, length(payload) AS size
        FROM entries WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?5
    )
)
WHERE taken < ?3 AND before < ?6
"""
KEEP_SITE = """
UPDATE streams SET (site_number, site_taken, site) =
    (SELECT id - ?2, taken, payload FROM entries WHERE id = ?3)
WHERE ordinal = ?1
"""
UPDATE_REMOVED = "UPDATE streams SET removed = ?2, removed_taken = ?3 WHERE ordinal = ?1"
REMOVED = "SELECT removed FROM streams WHERE ordinal = ?"
DELETE = "DELETE FROM entries WHERE id >= ? AND id <= ?"
DELETE_RESTORED = (
    "DELETE FROM restored WHERE id > ? AND id <= ?"  # restored copies of removed entries
)

_log = structlog.get_logger(__name__)


def kept_since(at: int, retention: int = RETENTION) -> int:
    """Return the first tick of the oldest hour that is still kept at tick ``at``.

    Entries and keys are kept in whole hours of the log's own time, so all nodes that have the
    entries always agree on duplicates.
    """
    return (at - retention) // HOUR * HOUR


class _OldestEntry(NamedTuple):
    """The oldest entry of a stream."""

    recorded_at: int
    ordinal: int
    id: int


class Retention:
    """Removes old entries with its own connection, only on the writer's thread.

    Methods raise apsw.Error. ``steady_now`` is a clock that is safe for deleting (see
    ``SteadyClock``). ``known`` contains the ordinals of the streams whose oldest entry is known.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        streams: Iterable[StreamRow],
        steady_now: Now,
        retention: int,
        tuning: LogTuning,
    ) -> None:
        self._connection = connection
        self._now = steady_now
        self._retention = retention
        self._tuning = tuning
        self._oldest_entries: list[_OldestEntry] = []
        self.known: set[int] = set()
        self._reported: set[int] = set()
        self._clients: dict[int, int] = {}
        for stream in streams:
            self._clients[stream.ordinal] = stream.client
            removed = fetch_one(connection, REMOVED, (stream.ordinal,))[0]
            self._find_oldest(stream.ordinal, removed + 1)

    def record_oldest(self, ordinal: int, row_id: int, recorded_at: int) -> None:
        """Record the oldest entry of a stream that is not ``known`` yet."""
        self.known.add(ordinal)
        heapq.heappush(self._oldest_entries, _OldestEntry(recorded_at, ordinal, row_id))

    @property
    def due(self) -> bool:
        """Whether any entry is older than the retention."""
        return bool(self._oldest_entries) and self._oldest_entries[0].recorded_at < self._cutoff()

    def remove_some(self) -> int:
        """Remove some entries that are older than the retention, and return their number."""
        if not self.due:
            return 0
        cutoff = self._cutoff()
        oldest = self._oldest_entries[0]
        try:
            last, count = self._remove(oldest, cutoff)
        except apsw.CorruptError as error:
            last, count = self._skip_damaged(oldest, cutoff)
            self._report_damage(oldest.ordinal, oldest.id, error)
        heapq.heappop(self._oldest_entries)
        self.known.discard(oldest.ordinal)
        self._find_oldest(oldest.ordinal, last + 1 - first_id(oldest.ordinal))
        return count

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _cutoff(self) -> int:
        return kept_since(self._now(), self._retention)

    def _remove(self, oldest: _OldestEntry, cutoff: int) -> tuple[int, int]:
        """Delete a stream's oldest entries. Returns the id of the last one and their number."""
        sizes = self._tuning.retention_entries, self._tuning.retention_bytes
        bounds = (oldest.id, first_id(oldest.ordinal + 1), cutoff, SITE, *sizes)
        with transaction(self._connection):
            last, recorded_at, count, site = fetch_one(self._connection, CHOOSE_OLD, bounds)
            self._delete(oldest.ordinal, oldest.id, last, recorded_at, site)
        return last, count

    def _delete(
        self, ordinal: int, first: int, last: int, recorded_at: int, site: int | None
    ) -> None:
        start = first_id(ordinal)
        if site is not None:
            self._connection.execute(KEEP_SITE, (ordinal, start, site))
        self._connection.execute(UPDATE_REMOVED, (ordinal, last - start, recorded_at))
        self._connection.execute(DELETE, (first, last))
        self._connection.execute(DELETE_RESTORED, (start, last))

    def _skip_damaged(self, oldest: _OldestEntry, cutoff: int) -> tuple[int, int]:
        """Delete one entry next to a damaged page, or skip it if it cannot be deleted."""
        try:
            with transaction(self._connection):
                row = fetch_one(
                    self._connection, CHOOSE_OLD, (oldest.id, oldest.id + 1, cutoff, SITE, 1, 1)
                )
                self._delete(oldest.ordinal, oldest.id, oldest.id, row[1], row[3])
        except apsw.CorruptError:
            number = oldest.id - first_id(oldest.ordinal)
            self._connection.execute(UPDATE_REMOVED, (oldest.ordinal, number, oldest.recorded_at))
            return oldest.id, 0
        return oldest.id, 1

    def _find_oldest(self, ordinal: int, number: int) -> None:
        """Find and note the oldest entry of a stream, from ``number`` on."""
        start = first_id(ordinal)
        try:
            row = fetch_one(self._connection, OLDEST, (start + number, first_id(ordinal + 1)))
        except apsw.CorruptError as error:
            self._report_damage(ordinal, start + number, error)
            row = self._next_readable(start + number)
        if row is not None:
            self.record_oldest(ordinal, *row)

    def _report_damage(self, ordinal: int, row_id: int, error: apsw.Error) -> None:
        """Log, once per stream, that damaged rows were skipped."""
        if ordinal not in self._reported:
            self._reported.add(ordinal)
            number = row_id - first_id(ordinal)
            client = self._clients.get(ordinal)
            _log.error("damaged_entries_left", client=client, entry=number, why=str(error))

    def _next_readable(self, row_id: int) -> tuple[int, int] | None:
        for candidate in range(row_id, row_id + SCAN_ENTRIES):
            try:
                row: tuple[int, int] | None = fetch_one(self._connection, ENTRY, (candidate,))
            except apsw.CorruptError:
                continue
            if row is not None:
                return row
        return None


MAX_LEAP_SECONDS = 3600.0  # how far the wall clock may be ahead of the monotonic one
# after which the wall clock is trusted anyway, because the machine may have been suspended
DISTRUST_SECONDS = 3600.0


class SteadyClock:
    """Returns the current time in ticks, on any thread.

    If the wall clock ``now`` is more than ``leap_seconds`` ahead of the time derived from the
    ``monotonic`` clock, the derived time is used instead, for an hour at most. A clock that is
    wrong for a short time must not delete a day. ``newest`` is the time of the newest stored entry,
    or 0 if there is none. At the start, a wall clock that is far ahead of ``newest`` is distrusted,
    too.
    """

    def __init__(
        self,
        now: Now,
        newest: int = 0,
        *,
        leap_seconds: float = MAX_LEAP_SECONDS,
        monotonic: Callable[[], float] = boot_seconds,
    ) -> None:
        self._now = now
        self._max_leap = leap_seconds * TICKS_PER_SECOND
        self._monotonic = monotonic
        self._trusted = newest
        self._trusted_at = monotonic()
        self._distrusted_since: float | None = None
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """Return the current time in ticks."""
        with self._lock:
            wall, at = self._now(), self._monotonic()
            if wall <= 0:  # a node that has not followed its cluster's log yet
                return wall
            expected = self._trusted + int((at - self._trusted_at) * TICKS_PER_SECOND)
            if not self._trusted or wall - expected <= self._max_leap:
                if self._distrusted_since is not None:
                    _log.warning("retention_goes_on", why="the clock is back")
            elif self._distrusts(wall - expected, at):
                return expected
            self._distrusted_since = None
            self._trusted, self._trusted_at = wall, at
            return wall

    def _distrusts(self, ahead: int, at: float) -> bool:
        if self._distrusted_since is None:
            self._distrusted_since = at
            hours = round(ahead / (3600 * TICKS_PER_SECOND), 1)
            _log.warning("retention_held", clock_ahead_hours=hours, held_seconds=DISTRUST_SECONDS)
        if at - self._distrusted_since < DISTRUST_SECONDS:
            return True
        _log.warning("retention_goes_on", why="the clock has been ahead for an hour")
        return False
