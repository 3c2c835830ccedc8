"""Reads cached interval rows for one answer, and caches the rows that the answer computes.

An answer takes many turns of the event loop and shows the floor as it was in the first one. Between
these turns, the floor changes and other answers add and drop cached rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Generic, NamedTuple, TypeVar

from floorcast.floor.view import NO_SERVICE, SLOT_MS, Day
from floorcast.statistics.interval_rows import ServiceNow
from floorcast.statistics.interval_runs import Begun, Run, RunRows
from floorcast.statistics.joined_intervals import Joined, unpacked
from floorcast.statistics.kept_intervals import JoinedKey, KeptFloor, KeptIntervals, KeptService
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["Found", "KeptReading", "Part", "Unkept"]

R = TypeVar("R")
_ROWS_OF_TURN = 2000  # the most rows that are unpacked in one turn of the event loop


class Found(NamedTuple):
    """A service's cached rows of a day, and its numbers of agents and waiting calls after them.

    New rows can be added to ``run``, a service and one of its runs, unless it is None.
    """

    rows: RunRows
    before: tuple[int, int]
    run: tuple[KeptService, Run] | None = None


Part = tuple[RunRows, list[R | None]]
"""A service's cached rows of a day and the rows after them, with None if nothing was counted."""


class Unkept(Generic[R]):
    """Stands in for ``KeptReading`` without a cache. Intervals have ``width`` slots."""

    def __init__(self, _days: Sequence[tuple[Day, int]], width: int) -> None:
        self._width = width

    def find(self, own: ServiceNow, day: Day, first: int) -> Found:
        """Return no rows, and the numbers before the first slot."""
        interval = first // self._width
        return Found(RunRows(interval, interval), own.before(day, first))

    def keep(self, found: Found, day: Day, made: Sequence[R | None]) -> None:
        """Do nothing."""

    def intervals(self, day: Day, first: int, parts: Sequence[Part[R]]) -> Iterator[list[R]]:  # noqa: ARG002 - which day does not matter
        """Yield the rows of all services, interval by interval."""
        for rows in zip_longest(*(made for _, made in parts)):
            yield list(filter(None, rows))


class KeptReading:
    """One floor's cached rows, for one answer with intervals of ``width`` slots.

    ``days`` holds the days that the answer covers and the first requested slot of each.
    """

    def __init__(
        self,
        kept: KeptIntervals,
        scope: Scope,
        moment: Moment,
        days: Sequence[tuple[Day, int]],
        width: int,
    ) -> None:
        self._floor = kept.of(scope.view, moment)
        self._view = scope.view
        self._now = moment.now
        self._today = scope.view.day_of(moment.now)
        self._width, self._length = width, width * SLOT_MS
        self._changes = self._floor.changes
        self._joined: dict[int, JoinedReading] = {}
        services = tuple(one for one in scope.services if one != NO_SERVICE)
        if len(services) < kept.limits.joined_services:
            return
        for day, first in days:
            key = (services, (day.number, self._length))
            joined = JoinedReading(self._floor, key, day, first // width)
            self._joined[day.number] = joined
            # changes must be reported from now on, because these rows may be cached at the end
            self._view.settle(day.begin + self._over(day) * self._length)

    def find(self, own: ServiceNow, day: Day, first: int) -> Found:
        """Return a service's valid cached rows of a day from a slot onward."""
        interval, floor = first // self._width, self._floor
        changes = floor.changes
        kept = floor.of(self._view, own, self._today, self._now)
        run = kept.runs.get((day.number, self._length))
        if run is not None and not run.first <= interval <= run.end:
            run = None
        if run is not None and run.begun != self._begun(own, day, run):
            floor.give_up_run(kept, run)
            run = None
        if run is None:
            run = Run(day, self._length, interval)
            run.begun = self._begun(own, day, run)
        self._follow(changes)
        rows = run.read(max(self._over(day), interval))
        if rows.end < run.end:  # the clock was set back
            return Found(rows, own.before(day, rows.end * self._width))
        if run.left is None:
            run.left = own.before(day, rows.end * self._width)
        return Found(rows, run.left, (kept, run))

    def keep(self, found: Found, day: Day, made: Sequence[bytes | None]) -> None:
        """Cache the rows that were made for intervals that are over and are not cached yet."""
        over = self._over(day) - found.rows.end
        if found.run is not None and over > 0:
            rows = [row or b"" for row in made[:over]]
            changes = self._floor.changes
            self._floor.add(self._view, *found.run, rows)
            self._follow(changes)

    def intervals(
        self, day: Day, first: int, parts: Sequence[Part[bytes]]
    ) -> Iterator[list[bytes]]:
        """Yield the rows of all services from a slot onward, interval by interval.

        An item can consist of several joined rows. Yields an empty list for a turn without rows.
        """
        interval = first // self._width
        joined = self._joined.get(day.number)
        if joined is not None:
            over = min((kept.end for kept, _ in parts), default=interval)
            for rows in joined.rows(interval, over):
                interval += 1
                yield [rows] if rows else []
        services: list[list[bytes | None]] = []
        unpacked = 0
        for kept, made in parts:
            services.append([*kept.since(interval), *made])
            unpacked += kept.end - interval
            if unpacked > _ROWS_OF_TURN:
                unpacked = 0
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

    def _follow(self, before: int) -> None:
        """Mark the changes found by this answer as known, unless it has missed earlier changes."""
        if self._changes == before:
            self._changes = self._floor.changes

    def _over(self, day: Day) -> int:
        """Return how many intervals of a day are over."""
        until = day.end + self._length - 1 if self._now >= day.end else self._now
        return max(0, until - day.begin) // self._length

    def _begun(self, own: ServiceNow, day: Day, run: Run) -> Begun:
        """Return the numbers that a run starts from. Nothing reports when they change."""
        carried_over = own.carried_over if day == self._today and not run.first else 0
        return (*own.before(day, run.first * self._width), carried_over)


class JoinedReading:
    """Joined rows of some services that have not changed since one answer began."""

    def __init__(self, floor: KeptFloor, key: JoinedKey, day: Day, first: int) -> None:
        self._floor = floor
        self._key = key
        self._fresh = Joined(len(key[0]), day, key[1][1], first)
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
            yield unpacked(self._blocks[number])

    def add(self, interval: int, rows: bytes) -> None:
        """Cache the rows of an interval if they directly follow the cached ones."""
        joined = self._floor.joined.get(self._key)
        if joined is None or not joined.first <= self._fresh.first <= joined.end:
            joined = self._fresh
        if interval == joined.end and self._floor.has_runs(self._key):
            self._floor.add_joined(self._key, joined, rows)
