"""Reads kept rows of intervals for one answer, and keeps those that it makes.

An answer takes many turns of the event loop, and shows the floor as of its first one. In between
the floor changes, and other answers drop and add kept rows.
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
_ROWS_OF_TURN = 2000  # rows that are unpacked at most in one turn of the event loop


class Found(NamedTuple):
    """The kept rows of a service and day, and the agents and the waiting calls after them.

    Rows can be added to ``run``, which is one of a service, unless it is None.
    """

    rows: RunRows
    before: tuple[int, int]
    run: tuple[KeptService, Run] | None = None


Part = tuple[RunRows, list[R | None]]
"""The kept rows of a service and day, and those after them; None if nothing was counted."""


class Unkept(Generic[R]):
    """Keeps no rows, and finds none. Intervals have ``width`` slots."""

    def __init__(self, _days: Sequence[tuple[Day, int]], width: int) -> None:
        self._width = width

    def find(self, own: ServiceNow, day: Day, first: int) -> Found:
        """No rows, and the counts before the first one."""
        interval = first // self._width
        return Found(RunRows(interval, interval), own.before(day, first))

    def keep(self, found: Found, day: Day, made: Sequence[R | None]) -> None:
        """Keep nothing."""

    def intervals(self, day: Day, first: int, parts: Sequence[Part[R]]) -> Iterator[list[R]]:  # noqa: ARG002 - which day does not matter
        """The rows of all services, interval by interval."""
        for rows in zip_longest(*(made for _, made in parts)):
            yield list(filter(None, rows))


class KeptReading:
    """The kept rows of one floor, for one answer about some days in intervals of ``width`` slots.

    ``days`` are with the first slot that is asked for.
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
            # changes must be reported from now on, because these rows may be kept at the end
            self._view.settle(day.begin + self._over(day) * self._length)

    def find(self, own: ServiceNow, day: Day, first: int) -> Found:
        """A service's kept rows of a day from a slot on, as they would be made now."""
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
        """Keep those rows that were made after the kept ones and are of intervals that are over."""
        over = self._over(day) - found.rows.end
        if found.run is not None and over > 0:
            rows = [row or b"" for row in made[:over]]
            changes = self._floor.changes
            self._floor.add(self._view, *found.run, rows)
            self._follow(changes)

    def intervals(
        self, day: Day, first: int, parts: Sequence[Part[bytes]]
    ) -> Iterator[list[bytes]]:
        """The rows of all services from a slot on, interval by interval; some can be joined.

        Yields an empty list where a turn had no rows.
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
        """Count the changes that this answer has found among those that it knows."""
        if self._changes == before:
            self._changes = self._floor.changes

    def _over(self, day: Day) -> int:
        """How many intervals of a day are over."""
        until = day.end + self._length - 1 if self._now >= day.end else self._now
        return max(0, until - day.begin) // self._length

    def _begun(self, own: ServiceNow, day: Day, run: Run) -> Begun:
        """What the rows of a run begin with, and no change of theirs tells."""
        carried_over = own.carried_over if day == self._today and not run.first else 0
        return (*own.before(day, run.first * self._width), carried_over)


class JoinedReading:
    """Joined rows of some services, for one answer: those that are as they were when it began."""

    def __init__(self, floor: KeptFloor, key: JoinedKey, day: Day, first: int) -> None:
        self._floor = floor
        self._key = key
        self._fresh = Joined(len(key[0]), day, key[1][1], first)
        known = floor.joined_of(key)
        self._first, self._blocks = first, list[bytes]()
        if known is not None and known.first <= first:
            self._first, self._blocks = known.first, known.blocks[:]

    def rows(self, interval: int, end: int) -> Iterator[bytes]:
        """The rows of intervals before ``end``, one interval in a turn."""
        for number in range(interval - self._first, end - self._first):
            known = self._floor.joined.get(self._key)
            blocks = () if known is None else known.blocks
            # an interval that was dropped and added since is another block
            if number >= min(len(self._blocks), len(blocks)):
                return
            if blocks[number] is not self._blocks[number]:
                return
            yield unpacked(self._blocks[number])

    def add(self, interval: int, rows: bytes) -> None:
        """Keep the rows of an interval, if they follow those that are kept."""
        joined = self._floor.joined.get(self._key)
        if joined is None or not joined.first <= self._fresh.first <= joined.end:
            joined = self._fresh
        if interval == joined.end and self._floor.has_runs(self._key):
            self._floor.add_joined(self._key, joined, rows)
