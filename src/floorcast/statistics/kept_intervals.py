"""Keeps finished rows of intervals, so that a repeated request makes only those that have changed.

Kept are the rows of intervals that are over, as JSON, by service, day and length of interval. A
row is dropped when its interval is counted in again (the floor's ledger tells), when an agent
whose present state reaches into it changes, and when the site does. A floor has one keeper.

The rows of many services are kept once more, joined in the order of an answer: to put 50,000 rows
in order takes longer than to read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from floorcast.floor.view import Day, FloorView, Service
from floorcast.statistics.interval_rows import AgentState, ServiceNow
from floorcast.statistics.interval_runs import Run, RunKey
from floorcast.statistics.joined_intervals import Joined
from floorcast.statistics.visibility import Moment

__all__ = ["JoinedKey", "KeptFloor", "KeptIntervals", "KeptLimits", "KeptService"]

_NEVER = 1 << 62
_JOINED_SHARE = 4  # of a client's bytes, joined rows have at most one in so many

JoinedKey = tuple[tuple[int, ...], RunKey]
"""The ids of services, and the key of their runs."""


class KeptLimits(NamedTuple):
    """The most bytes of a client's rows and of all; what has not been asked for is dropped first.

    A client that has reached its limit gives up services that were not asked for in ``idle_ms``,
    or else keeps no more. At the limit of all, the client that has most gives up what has not
    been asked for the longest. Rows of ``joined_services`` or more are kept joined, too.
    """

    client_bytes: int = 12 << 20
    all_bytes: int = 64 << 20
    idle_ms: int = 600_000
    joined_services: int = 8


class KeptService:
    """The runs of one service, by day and length of interval, and when it was last asked for.

    ``states`` are those of the agents whose time is not counted yet.
    """

    __slots__ = ("runs", "service", "states", "used")

    def __init__(self, service: Service) -> None:
        self.service = service
        self.states: list[AgentState] = []
        self.runs: dict[RunKey, Run] = {}
        self.used = 0

    def first_change(self, view: FloorView, states: list[AgentState]) -> int:
        """The moment from which rows have changed since the last call."""
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

    ``made_for`` is what all of them depend on. ``joined`` are rows of many services, which are
    right only while the runs of all of these are kept. ``changes`` counts how often rows were
    found to have changed.
    """

    def __init__(self, keeper: KeptIntervals, client: int, made_for: object) -> None:
        self._keeper = keeper
        self.client = client
        self.made_for = made_for
        self.services: dict[int, KeptService] = {}
        self.joined: dict[JoinedKey, Joined] = {}
        self.size = 0
        self.changes = 0

    def of(self, view: FloorView, own: ServiceNow, today: Day, now: int) -> KeptService:
        """The rows of a service that are as they would be made now."""
        service = own.service
        kept = self.services.pop(service.id, None)
        if kept is not None and kept.service is not service:
            self._give_up(kept)
            kept = None
        if kept is None:
            kept = KeptService(service)
        self.services[service.id] = kept
        kept.used = now
        for old in [key for key in kept.runs if key[0] < today.number - 1]:
            self.give_up_run(kept, kept.runs[old])
        changed = kept.first_change(view, own.states)
        if changed < _NEVER:
            self._cut(kept, changed)
        return kept

    def add(self, view: FloorView, kept: KeptService, run: Run, rows: Sequence[bytes]) -> None:
        """Add rows to a run of a service, and keep to the limits.

        A new run takes the place of the one that it does not touch, unless that is longer.
        """
        known = kept.runs.get(run.key)
        if known is not run:
            if known is not None and known.end - known.first > len(rows):
                return
            self.give_up_run(kept, known or run)
            kept.runs[run.key] = run
            self._grow(run.size)
        self._grow(run.add(rows))
        view.settle(run.begin + run.end * run.length)
        while self._keeper.has_too_much(self):
            if not self.drop_oldest(kept.used - self._keeper.limits.idle_ms):
                self.give_up_run(kept, run)
                return

    def joined_of(self, key: JoinedKey) -> Joined | None:
        """The joined rows of some services, which are then those that were asked for last."""
        joined = self.joined.pop(key, None)
        if joined is not None:
            self.joined[key] = joined
        return joined

    def has_runs(self, key: JoinedKey) -> bool:
        """Whether runs of some services are kept, which tell when joined rows have changed."""
        kept = (self.services.get(service) for service in key[0])
        return all(one is not None and key[1] in one.runs for one in kept)

    def add_joined(self, key: JoinedKey, joined: Joined, rows: bytes) -> None:
        """Add the joined rows of the next interval, if there is room for them.

        Other joined rows make room, those first that were asked for least recently.
        """
        most = self._keeper.limits.client_bytes
        size = joined.size
        joined.add(rows)
        if self.joined.get(key) is not joined:
            self._drop_joined(key)
            self.joined[key] = joined
            size = 0
        self._grow(joined.size - size)
        while self._joined_size() * _JOINED_SHARE > most or self._keeper.has_too_much(self):
            oldest = next(iter(self.joined))
            self._drop_joined(oldest)
            if oldest == key:
                return

    def give_up_run(self, kept: KeptService, run: Run) -> None:
        """Drop a run if it is kept, and the joined rows whose changes nothing tells without it."""
        if kept.runs.get(run.key) is run:
            del kept.runs[run.key]
            self._grow(-run.size)
        self.changes += 1
        for key in list(self.joined):
            if key[1] == run.key and kept.service.id in key[0]:
                self._drop_joined(key)

    def drop_oldest(self, before: int) -> bool:
        """Drop the least recently requested service, if its last request was before a time."""
        number, kept = next(iter(self.services.items()))
        if kept.used >= before:
            return False
        del self.services[number]
        self._give_up(kept)
        return True

    def _cut(self, kept: KeptService, changed: int) -> None:
        self.changes += 1
        for run in kept.runs.values():
            self._grow(-run.cut(changed))
        for joined in self.joined.values():
            self._grow(-joined.cut(changed))

    def _give_up(self, kept: KeptService) -> None:
        for run in list(kept.runs.values()):
            self.give_up_run(kept, run)

    def _drop_joined(self, key: JoinedKey) -> None:
        joined = self.joined.pop(key, None)
        if joined is not None:
            self._grow(-joined.size)

    def _joined_size(self) -> int:
        return sum(joined.size for joined in self.joined.values())

    def _grow(self, size: int) -> None:
        self.size += size
        self._keeper.note_growth(self, size)


class KeptIntervals:
    """The kept rows of all floors, by client."""

    def __init__(self, limits: KeptLimits | None = None) -> None:
        self.limits = limits or KeptLimits()
        self.floors: dict[int, KeptFloor] = {}
        self.size = 0

    def of(self, view: FloorView, moment: Moment) -> KeptFloor:
        """The rows of a floor, by its present site."""
        made_for = (view.hooks, view.configured_in, moment.quiet_call, moment.quiet_agent)
        kept = self.floors.get(view.client)
        if kept is None or kept.made_for != made_for:
            self.size -= 0 if kept is None else kept.size
            kept = self.floors[view.client] = KeptFloor(self, view.client, made_for)
        return kept

    def note_growth(self, floor: KeptFloor, size: int) -> None:
        """Add to the bytes of all; a floor that has been replaced is not among them."""
        if self.floors.get(floor.client) is floor:
            self.size += size

    def has_too_much(self, floor: KeptFloor) -> bool:
        """Whether a floor must give up rows, after the floors that have more than it."""
        if floor.size > self.limits.client_bytes:
            return True
        while self.size > self.limits.all_bytes:
            largest = max(self.floors.values(), key=_size)
            if largest.size <= floor.size or not largest.drop_oldest(_NEVER):
                return True
        return False


def _size(floor: KeptFloor) -> int:
    return floor.size


def _first_change(before: list[AgentState], now: list[AgentState]) -> int:
    """From when on the time of agents in two lists of states differs; in ms."""
    apart = set(before) ^ set(now)
    return min((last_event for _, _, last_event in apart), default=_NEVER)
