"""Keeps finished rows of intervals, so that a repeated request makes only those that have changed.

Kept are the rows of intervals that are over, as JSON, by service, day and length of interval. A
row is dropped when its interval is counted in again (the floor's ledger tells), when an agent
whose present state reaches into it changes, and when the site does. A floor has one keeper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from floorcast.floor.view import SLOT_MS, Day, FloorView, Service
from floorcast.statistics.interval_rows import AgentState, ServiceNow
from floorcast.statistics.interval_runs import Begun, Run
from floorcast.statistics.visibility import Moment

__all__ = ["KeptFloor", "KeptIntervals", "KeptLimits", "KeptReading", "KeptService"]

_NEVER = 1 << 62


class KeptLimits(NamedTuple):
    """The most bytes of a client's rows and of all; what has not been asked for is dropped first.

    A client that has reached its limit gives up services that were not asked for in ``idle_ms``,
    or else keeps no more. At the limit of all, the client that has most gives up what has not
    been asked for the longest.
    """

    client_bytes: int = 12 << 20
    all_bytes: int = 64 << 20
    idle_ms: int = 600_000


class KeptService:
    """The runs of one service, by day and length of interval, and when it was last asked for.

    ``states`` are those of the agents whose time is not counted yet: id, state and last event.
    """

    __slots__ = ("runs", "service", "states", "used")

    def __init__(self, service: Service) -> None:
        self.service = service
        self.states: list[AgentState] = []
        self.runs: dict[tuple[int, int], Run] = {}
        self.used = 0

    @property
    def size(self) -> int:
        """The bytes of the runs."""
        return sum(run.size for run in self.runs.values())

    def first_change(self, view: FloorView, states: list[AgentState]) -> int:
        """From which moment on rows have changed since this was last asked."""
        number, changed = self.service.id, _NEVER
        if states != self.states:
            changed = _first_change(self.states, states)
            self.states = states
        for day in {day for day, _ in self.runs}:
            recounted = view.take_recounted(day, number)
            if recounted is not None:
                changed = min(changed, recounted)
        return changed


class KeptFloor:
    """The rows of one floor by service, in the order in which they were last asked for.

    ``made_for`` is what all of them depend on.
    """

    def __init__(self, keeper: KeptIntervals, made_for: object) -> None:
        self._keeper = keeper
        self.made_for = made_for
        self.services: dict[int, KeptService] = {}
        self.size = 0

    def of(self, view: FloorView, own: ServiceNow, today: Day, now: int) -> KeptService:
        """The rows of a service that are as they would be made now."""
        service = own.service
        kept = self.services.pop(service.id, None)
        if kept is not None and kept.service is not service:
            self.size -= kept.size
            kept = None
        if kept is None:
            kept = KeptService(service)
        self.services[service.id] = kept
        kept.used = now
        for old in [key for key in kept.runs if key[0] < today.number - 1]:
            self.size -= kept.runs.pop(old).size
        changed = kept.first_change(view, own.states)
        if changed < _NEVER:
            for run in kept.runs.values():
                self.size -= run.cut(changed)
        return kept

    def begin(self, kept: KeptService, run: Run, first: int) -> None:
        """Begin a run anew, with another first interval."""
        size = run.clear()
        run.first = first
        if kept.runs.get(run.key) is run:
            self.size -= size

    def add(self, view: FloorView, kept: KeptService, run: Run, rows: Sequence[bytes]) -> None:
        """Add rows to a run of a service, and keep to the limits.

        A new run takes the place of the one that it does not touch, unless that is longer.
        """
        known = kept.runs.get(run.key)
        if known is not run:
            if known is not None:
                if known.end - known.first > len(rows):
                    return
                self.size -= known.size
            kept.runs[run.key] = run
            self.size += run.size
        self.size += run.add(rows)
        view.settle(run.begin + run.end * run.length)
        while self._keeper.has_too_much(self):
            if not self.drop_oldest(kept.used - self._keeper.limits.idle_ms):
                del kept.runs[run.key]
                self.size -= run.size
                return

    def drop_oldest(self, before: int) -> bool:
        """Drop the least recently requested service, if its last request was before a time."""
        number, kept = next(iter(self.services.items()))
        if kept.used >= before:
            return False
        del self.services[number]
        self.size -= kept.size
        return True


class KeptIntervals:
    """The kept rows of all floors, by client."""

    def __init__(self, limits: KeptLimits | None = None) -> None:
        self.limits = limits or KeptLimits()
        self.floors: dict[int, KeptFloor] = {}

    def of(self, view: FloorView, moment: Moment) -> KeptFloor:
        """The rows of a floor, by its present site."""
        made_for = (view.hooks, view.configured_in, moment.quiet_call, moment.quiet_agent)
        kept = self.floors.get(view.client)
        if kept is None or kept.made_for != made_for:
            kept = self.floors[view.client] = KeptFloor(self, made_for)
        return kept

    def has_too_much(self, floor: KeptFloor) -> bool:
        """Whether a floor must give up rows, after the floors that have more than it."""
        if floor.size > self.limits.client_bytes:
            return True
        floors = self.floors.values()
        while sum(one.size for one in floors) > self.limits.all_bytes:
            largest = max(floors, key=_size)
            if largest.size <= floor.size or not largest.drop_oldest(_NEVER):
                return True
        return False


class KeptReading:
    """The kept rows of one floor, for one answer."""

    def __init__(self, kept: KeptIntervals, view: FloorView, moment: Moment) -> None:
        self._floor = kept.of(view, moment)
        self._view = view
        self._now = moment.now
        self._today = view.day_of(moment.now)

    def rows(
        self,
        own: ServiceNow,
        day: Day,
        slots: tuple[int, int],
        make: Callable[[int, tuple[int, int]], list[bytes | None]],
    ) -> list[bytes | None]:
        """A service's rows of a day.

        ``slots`` are the first slot, and how many an interval has. ``make`` makes the rows from a
        slot on, if it is told the agents and the waiting calls before it.
        """
        first, width = slots
        length = width * SLOT_MS
        until = day.end + length - 1 if self._now >= day.end else self._now
        over = (until - day.begin) // length  # the intervals that are over
        wanted = (first // width, max(over, first // width))
        kept = self._floor.of(self._view, own, self._today, self._now)
        run = kept.runs.get((day.number, length))
        if run is None or not run.first <= wanted[0] <= run.end:
            run = Run(day, length, wanted[0])
        if run.begun != self._begun(own, day, run, width):
            self._floor.begin(kept, run, wanted[0])
            run.begun = self._begun(own, day, run, width)
        found: list[bytes | None] = [*run.rows(*wanted)]
        reached = wanted[0] + len(found)
        if reached < run.end:  # the clock was set back
            return found + make(reached * width, own.before(day, reached * width))
        if run.left is None:
            run.left = own.before(day, reached * width)
        fresh = make(reached * width, run.left)
        if over > reached:
            rows = [row or b"" for row in fresh[: over - reached]]
            self._floor.add(self._view, kept, run, rows)
        return found + fresh

    def _begun(self, own: ServiceNow, day: Day, run: Run, width: int) -> Begun:
        """What the rows of a run begin with, and no change of theirs tells."""
        carried_over = own.carried_over if day == self._today and not run.first else 0
        return (*own.before(day, run.first * width), carried_over)


def _size(floor: KeptFloor) -> int:
    return floor.size


def _first_change(before: list[AgentState], now: list[AgentState]) -> int:
    """From when on the time of agents in two lists of states differs; in ms."""
    apart = set(before) ^ set(now)
    return min((last_event for _, _, last_event in apart), default=_NEVER)
