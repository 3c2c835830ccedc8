"""Reads cached interval rows for one answer, and caches the rows that the answer computes.

An answer takes many turns of the event loop and shows the floor as it was in the first one. Between
these turns, the floor changes and other answers add and drop cached rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, Generic, NamedTuple, TypeVar

from floorcast.floor.view import NO_SERVICE, SLOT_MS, Day
from floorcast.statistics.interval_cache import CachedService, FloorCache, IntervalCache, JoinedKey
from floorcast.statistics.interval_rows import CurrentService
from floorcast.statistics.interval_runs import IntervalRun, RunRows, RunStart
from floorcast.statistics.joined_intervals import JoinedIntervals, decompress
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["CachedReading", "CachedRows", "RowsOfDay", "UncachedReading", "free_in_steps"]

R = TypeVar("R")
_ROWS_PER_TURN = 2000  # the most rows that are decompressed or listed in one step
_SERVICES_PER_TURN = 100  # whose rows are freed in one turn


class CachedRows(NamedTuple):
    """A service's cached rows of a day, and its numbers of agents and waiting calls after them.

    New rows can be added to ``run``, a service and one of its runs, unless it is None.
    """

    rows: RunRows
    counts_before: tuple[int, int]
    run: tuple[CachedService, IntervalRun] | None = None


RowsOfDay = tuple[RunRows, list[R | None]]
"""A service's cached rows of a day and the rows after them, with None if nothing was counted."""


class UncachedReading(Generic[R]):
    """Stands in for ``CachedReading`` without a cache. Intervals have ``width`` slots."""

    def __init__(self, _days: Sequence[tuple[Day, int]], width: int) -> None:
        self._width = width

    def find(self, own: CurrentService, day: Day, first: int) -> CachedRows:
        """Return no rows, and the numbers before the first slot."""
        interval = first // self._width
        return CachedRows(RunRows(interval, interval), own.counts_before(day, first))

    def cache_rows(self, found: CachedRows, day: Day, computed: Sequence[R | None]) -> None:
        """Do nothing."""

    def intervals(self, day: Day, first: int, parts: Sequence[RowsOfDay[R]]) -> Iterator[list[R]]:  # noqa: ARG002 - which day does not matter
        """Yield the rows of all services, interval by interval."""
        for rows in zip_longest(*(computed for _, computed in parts)):
            yield list(filter(None, rows))


class CachedReading:
    """One floor's cached rows, for one answer with intervals of ``width`` slots.

    ``days`` holds the days that the answer covers and the first requested slot of each.
    """

    def __init__(
        self,
        cache: IntervalCache,
        scope: Scope,
        moment: Moment,
        days: Sequence[tuple[Day, int]],
        width: int,
    ) -> None:
        self._floor = cache.of(scope.view, moment)
        self._view = scope.view
        self._now = moment.now
        self._today = scope.view.day_of(moment.now)
        self._width, self._length = width, width * SLOT_MS
        self._changes = self._floor.changes
        self._joined: dict[int, JoinedReading] = {}
        services = tuple(one for one in scope.services if one != NO_SERVICE)
        if not cache.limits.joins(len(services)):
            return
        for day, first in days:
            key = (services, (day.number, self._length))
            joined = JoinedReading(self._floor, key, day, first // width)
            self._joined[day.number] = joined
            # changes must be reported from now on, because these rows may be cached at the end
            self._view.mark_read(day.begin + self._over(day) * self._length)

    def find(self, own: CurrentService, day: Day, first: int) -> CachedRows:
        """Return a service's valid cached rows of a day from a slot onward."""
        interval, floor = first // self._width, self._floor
        changes = floor.changes
        cached = floor.of(self._view, own, self._today, self._now)
        run = cached.runs.get((day.number, self._length))
        if run is not None and not run.first <= interval <= run.end:
            run = None
        if run is not None and run.start != self._run_start(own, day, run):
            floor.drop_run(cached, run)
            run = None
        if run is None:
            run = IntervalRun(day, self._length, interval)
            run.start = self._run_start(own, day, run)
        self._note_changes(changes)
        rows = run.read(max(self._over(day), interval))
        if rows.end < run.end:  # the clock was set back
            return CachedRows(rows, own.counts_before(day, rows.end * self._width))
        if run.end_counts is None:
            run.end_counts = own.counts_before(day, rows.end * self._width)
        return CachedRows(rows, run.end_counts, (cached, run))

    def cache_rows(self, found: CachedRows, day: Day, computed: Sequence[bytes | None]) -> None:
        """Cache the rows that were computed for intervals that are over and are not cached yet."""
        over = self._over(day) - found.rows.end
        if found.run is not None and over > 0:
            rows = [row or b"" for row in computed[:over]]
            changes = self._floor.changes
            self._floor.add(self._view, *found.run, rows)
            self._note_changes(changes)

    def intervals(
        self, day: Day, first: int, parts: Sequence[RowsOfDay[bytes]]
    ) -> Iterator[list[bytes]]:
        """Yield the rows of all services from a slot onward, interval by interval.

        An item can consist of several joined rows. Yields an empty list for a turn without rows.
        """
        interval = first // self._width
        joined = self._joined.get(day.number)
        if joined is not None:
            over = min((cached.end for cached, _ in parts), default=interval)
            for rows in joined.rows(interval, over):
                interval += 1
                yield [rows] if rows else []
        services: list[list[bytes | None]] = []
        rows_read = 0
        for cached, computed in parts:
            services.append([*cached.since(interval), *computed])
            rows_read += len(services[-1])
            if rows_read > _ROWS_PER_TURN:
                rows_read = 0
                yield []
        over = self._over(day)
        for rows_of_interval in zip_longest(*services):
            found = [row for row in rows_of_interval if row]
            if joined is not None and interval < over and self._changes == self._floor.changes:
                piece = b",".join(found)
                joined.add(interval, piece)
                found = [piece] if piece else []
            interval += 1
            yield found
        yield from free_in_steps(services)

    def _note_changes(self, before: int) -> None:
        """Mark the changes found by this answer as known, unless it has missed earlier changes."""
        if self._changes == before:
            self._changes = self._floor.changes

    def _over(self, day: Day) -> int:
        """Return how many intervals of a day are over."""
        until = day.end + self._length - 1 if self._now >= day.end else self._now
        return max(0, until - day.begin) // self._length

    def _run_start(self, own: CurrentService, day: Day, run: IntervalRun) -> RunStart:
        """Return the numbers that a run starts from. Nothing reports when they change."""
        carried_over = own.carried_over if day == self._today and not run.first else 0
        return (*own.counts_before(day, run.first * self._width), carried_over)


def free_in_steps(services: list[Any]) -> Iterator[list[Any]]:
    """Remove the rows of all services. To free 2,000,000 rows at once takes 100 ms."""
    while services:
        del services[-_SERVICES_PER_TURN:]
        yield []


class JoinedReading:
    """Joined rows of some services that have not changed since one answer began."""

    def __init__(self, floor: FloorCache, key: JoinedKey, day: Day, first: int) -> None:
        self._floor = floor
        self._key = key
        self._fresh = JoinedIntervals(key[0], day, key[1][1], first)
        known = floor.joined_of(key)
        self._first, self._blocks = first, list[bytes]()
        if known is not None and known.first <= first:
            self._first, self._blocks = known.first, known.blocks[:]

    def rows(self, interval: int, end: int) -> Iterator[bytes]:
        """Yield the rows of the intervals before ``end``, one interval per turn."""
        for number in range(interval - self._first, end - self._first):
            known = self._floor.joined.get(self._key)
            blocks = () if known is None else known.blocks
            # an interval that was dropped and added again since then has a different block
            if number >= min(len(self._blocks), len(blocks)):
                return
            if blocks[number] is not self._blocks[number]:
                return
            yield decompress(self._blocks[number])

    def add(self, interval: int, rows: bytes) -> None:
        """Cache the rows of an interval if they directly follow the cached ones."""
        joined = self._floor.joined.get(self._key)
        if joined is None or not joined.first <= self._fresh.first <= joined.end:
            joined = self._fresh
        if interval == joined.end and self._floor.has_runs(self._key):
            self._floor.add_joined(self._key, joined, rows)
