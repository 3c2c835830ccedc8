"""Caches interval rows, so that a repeated request computes only the rows that have changed.

The cache keeps the rows of intervals that are over, as JSON, by service, day and interval length.
A row is dropped when the floor's ledger reports a new count in its interval, when an agent whose
present state reaches into the interval changes, and when the site changes.

Rows of many services are also cached joined in the order of an answer, because sorting 50,000 rows
takes longer than reading them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from floorcast.floor.view import Day, FloorView, Service
from floorcast.statistics.interval_rows import AgentState, CurrentService
from floorcast.statistics.interval_runs import RUN_BYTES, IntervalRun, RunKey
from floorcast.statistics.joined_intervals import JoinedIntervals
from floorcast.statistics.visibility import Moment

__all__ = ["CachedService", "FloorCache", "IntervalCache", "IntervalCacheLimits", "JoinedKey"]

_NEVER = 1 << 62
_JOINED_SHARE = 4  # joined rows may use one in this many of a client's bytes

JoinedKey = tuple[tuple[int, ...], RunKey]
"""The services' ids and the key of their runs."""


class IntervalCacheLimits(NamedTuple):
    """The maximum size of the cached rows, for each client and for all clients together.

    A client at ``client_bytes`` drops services that were not requested within ``idle_ms``. If there
    are none, it caches no more rows until others are dropped. At ``all_bytes``, the client with the
    most bytes drops the service that was requested least recently. Rows are also cached joined if
    an answer covers at least ``joined_services`` services, and not so many that the rows of all
    cannot be cached.
    """

    client_bytes: int = 12 << 20
    all_bytes: int = 64 << 20
    idle_ms: int = 600_000
    joined_services: int = 8

    def joins(self, services: int) -> bool:
        """Return whether the rows of an answer about so many services are cached joined."""
        return self.joined_services <= services <= self.client_bytes // RUN_BYTES


class CachedService:
    """One service's runs, by day and interval length.

    ``states`` holds the states of agents whose time is not counted yet. ``used`` is the time of
    the last request for the service.
    """

    __slots__ = ("runs", "service", "states", "used")

    def __init__(self, service: Service) -> None:
        self.service = service
        self.states: list[AgentState] = []
        self.runs: dict[RunKey, IntervalRun] = {}
        self.used = 0

    def first_change(self, view: FloorView, states: list[AgentState]) -> int:
        """Return the moment from which rows have changed since the last call of this method."""
        number, changed = self.service.id, _NEVER
        if states != self.states:
            changed = _first_change(self.states, states)
            self.states = states
        for day in {day for day, _ in self.runs}:
            changed_since = view.pop_recounted(day, number)
            if changed_since is not None:
                changed = min(changed, changed_since)
        return changed


class FloorCache:
    """The cached rows of one floor, by service. The service that was requested last comes last.

    All rows depend on ``computed_for``. ``joined`` holds the joined rows of many services; these
    are valid only while the runs of all these services are cached. ``changes`` counts how often
    rows were found to have changed.
    """

    def __init__(self, cache: IntervalCache, client: int, computed_for: object) -> None:
        self._cache = cache
        self.client = client
        self.computed_for = computed_for
        self.services: dict[int, CachedService] = {}
        self.joined: dict[JoinedKey, JoinedIntervals] = {}
        self.size = 0
        self.changes = 0
        self._full_size = _NEVER  # the size at which no more rows fit

    def of(self, view: FloorView, own: CurrentService, today: Day, now: int) -> CachedService:
        """Return the cached rows of a service, without those that have changed."""
        service = own.service
        cached = self.services.pop(service.id, None)
        if cached is not None and cached.service is not service:
            self._drop_service(cached)
            cached = None
        if cached is None:
            cached = CachedService(service)
        self.services[service.id] = cached
        cached.used = now
        for old in [key for key in cached.runs if key[0] < today.number - 1]:
            self.drop_run(cached, cached.runs[old])
        changed = cached.first_change(view, own.states)
        if changed < _NEVER:
            self._cut(cached, changed)
        return cached

    def add(
        self, view: FloorView, cached: CachedService, run: IntervalRun, rows: Sequence[bytes]
    ) -> None:
        """Add rows to a service's run, within the limits.

        A new run replaces the cached run that it does not adjoin, unless the cached run is longer.
        """
        oldest_kept = cached.used - self._cache.limits.idle_ms
        if self.size >= self._full_size and not self.drop_oldest(oldest_kept):
            return  # without the cost of compressing rows that would be dropped
        known = cached.runs.get(run.key)
        if known is not run:
            if known is not None and known.end - known.first > len(rows):
                return
            self.drop_run(cached, known or run)
            cached.runs[run.key] = run
            self._grow(run.size)
        self._grow(run.add(rows))
        view.mark_read(run.begin + run.end * run.length)
        while self._cache.is_over_limit(self):
            if not self.drop_oldest(oldest_kept):
                self.drop_run(cached, run)
                self._full_size = self.size
                return

    def joined_of(self, key: JoinedKey) -> JoinedIntervals | None:
        """Return the joined rows of some services and mark them as the most recently requested."""
        joined = self.joined.pop(key, None)
        if joined is not None:
            self.joined[key] = joined
        return joined

    def has_runs(self, key: JoinedKey) -> bool:
        """Return whether the runs of all these services are cached.

        Changes in joined rows are noticed only through these runs.
        """
        cached = (self.services.get(service) for service in key[0])
        return all(one is not None and key[1] in one.runs for one in cached)

    def add_joined(self, key: JoinedKey, joined: JoinedIntervals, rows: bytes) -> None:
        """Add the joined rows of the next interval if there is room for them.

        To make room, other joined rows are dropped. The least recently requested ones go first.
        """
        most = self._cache.limits.client_bytes
        size = joined.size
        joined.add(rows)
        if self.joined.get(key) is not joined:
            self._drop_joined(key)
            self.joined[key] = joined
            size = 0
        self._grow(joined.size - size)
        while self._joined_size() * _JOINED_SHARE > most or self._cache.is_over_limit(self):
            oldest = next(iter(self.joined))
            self._drop_joined(oldest)
            if oldest == key:
                return

    def drop_run(self, cached: CachedService, run: IntervalRun) -> None:
        """Drop a run if it is cached, and the joined rows whose changes only it would show."""
        if cached.runs.get(run.key) is run:
            del cached.runs[run.key]
            self._grow(-run.size)
        self.changes += 1
        for key in list(self.joined):
            if key[1] == run.key and cached.service.id in self.joined[key].services:
                self._drop_joined(key)

    def drop_oldest(self, before: int) -> bool:
        """Drop the least recently requested service if its last request was before a given time.

        Returns whether it was dropped.
        """
        number, cached = next(iter(self.services.items()))
        if cached.used >= before:
            return False
        del self.services[number]
        self._drop_service(cached)
        return True

    def _cut(self, cached: CachedService, changed: int) -> None:
        self.changes += 1
        for run in cached.runs.values():
            self._grow(-run.cut(changed))
        for joined in self.joined.values():
            self._grow(-joined.cut(changed))

    def _drop_service(self, cached: CachedService) -> None:
        for run in list(cached.runs.values()):
            self.drop_run(cached, run)

    def _drop_joined(self, key: JoinedKey) -> None:
        joined = self.joined.pop(key, None)
        if joined is not None:
            self._grow(-joined.size)

    def _joined_size(self) -> int:
        return sum(joined.size for joined in self.joined.values())

    def _grow(self, size: int) -> None:
        self.size += size
        self._cache.note_growth(self, size)


class IntervalCache:
    """The cached rows of all floors, by client."""

    def __init__(self, limits: IntervalCacheLimits | None = None) -> None:
        self.limits = limits or IntervalCacheLimits()
        self.floors: dict[int, FloorCache] = {}
        self.size = 0

    def of(self, view: FloorView, moment: Moment) -> FloorCache:
        """Return the cached rows of a floor. Rows made for an earlier site are dropped."""
        computed_for = (view.hooks, view.config_entry, moment.quiet_call, moment.quiet_agent)
        cached = self.floors.get(view.client)
        if cached is None or cached.computed_for != computed_for:
            self.size -= 0 if cached is None else cached.size
            cached = self.floors[view.client] = FloorCache(self, view.client, computed_for)
        return cached

    def note_growth(self, floor: FloorCache, size: int) -> None:
        """Add to the total size, unless the floor has been replaced."""
        if self.floors.get(floor.client) is floor:
            self.size += size

    def is_over_limit(self, floor: FloorCache) -> bool:
        """Return whether a floor must drop rows, once larger floors have dropped theirs."""
        if floor.size > self.limits.client_bytes:
            return True
        while self.size > self.limits.all_bytes:
            largest = max(self.floors.values(), key=_size)
            if largest.size <= floor.size or not largest.drop_oldest(_NEVER):
                return True
        return False


def _size(floor: FloorCache) -> int:
    return floor.size


def _first_change(before: list[AgentState], now: list[AgentState]) -> int:
    """Return the time in ms from which the agents' times differ between two lists of states."""
    apart = set(before) ^ set(now)
    return min((counted_until for _, _, counted_until, _ in apart), default=_NEVER)
