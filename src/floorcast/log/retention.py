"""The log's retention: the oldest entries go in small bites, on the writer's thread.

Their pages are used again by new entries, so the file stays as large as its largest day and
nothing is ever moved. A bite is not flushed: the next commit does that, and a bite that a
crash undoes is taken again.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import NamedTuple

import apsw

from floorcast.log.log_file import SITE, first_id
from floorcast.log.port import kept_since
from floorcast.model.token import Now
from floorcast.sqlite.files import fetch_one, transaction

__all__ = ["BITE", "BITE_BYTES", "Retention"]

BITE = 64  # entries removed at a time
BITE_BYTES = 8 << 20  # of payload, after which a bite ends early

OLDEST = "SELECT id, taken FROM entries WHERE id >= ? AND id < ? ORDER BY id LIMIT 1"
CHOOSE = """
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
NOTE = "UPDATE streams SET removed = ?2, removed_taken = ?3 WHERE ordinal = ?1"
DELETE = "DELETE FROM entries WHERE id >= ? AND id <= ?"


class _Front(NamedTuple):
    """The oldest entry of a stream."""

    recorded_at: int
    ordinal: int
    id: int


class Retention:
    """Owns a connection of its own, used on the writer's thread only. Raises apsw.Error."""

    def __init__(
        self, connection: apsw.Connection, ordinals: Iterable[int], now: Now, retention: int
    ) -> None:
        self._connection = connection
        self._now = now
        self._retention = retention
        self._fronts: list[_Front] = []
        self._known: set[int] = set()
        for ordinal in ordinals:
            self._find_front(ordinal, first_id(ordinal))

    def note(self, ordinal: int, row_id: int, recorded_at: int) -> None:
        """An entry was stored; it is the front of a stream that had none."""
        if ordinal not in self._known:
            self._known.add(ordinal)
            heapq.heappush(self._fronts, _Front(recorded_at, ordinal, row_id))

    @property
    def due(self) -> bool:
        """Whether there is an entry that is older than the retention."""
        return bool(self._fronts) and self._fronts[0].recorded_at < self._before()

    def bite(self) -> int:
        """Remove some entries that are older than the retention; how many."""
        if not self.due:
            return 0
        before = self._before()
        front = self._fronts[0]
        with transaction(self._connection):
            last, recorded_at, count, site = self._choose(front, before)
            if site is not None:
                start = first_id(front.ordinal)
                self._connection.execute(KEEP_SITE, (front.ordinal, start, site))
            number = last - first_id(front.ordinal)
            self._connection.execute(NOTE, (front.ordinal, number, recorded_at))
            self._connection.execute(DELETE, (front.id, last))
        heapq.heappop(self._fronts)
        self._known.discard(front.ordinal)
        self._find_front(front.ordinal, last + 1)
        return count

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _before(self) -> int:
        return kept_since(self._now(), self._retention)

    def _choose(self, front: _Front, before: int) -> tuple[int, int, int, int | None]:
        end = first_id(front.ordinal + 1)
        bounds = (front.id, end, before, SITE, BITE, BITE_BYTES)
        row: tuple[int, int, int, int | None] = fetch_one(self._connection, CHOOSE, bounds)
        return row

    def _find_front(self, ordinal: int, start: int) -> None:
        row = fetch_one(self._connection, OLDEST, (start, first_id(ordinal + 1)))
        if row is not None:
            self.note(ordinal, *row)
