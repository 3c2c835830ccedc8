"""Finds or creates counters by day, drops old days, and indexes them by agent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from floorcast.floor.counters import AgentDay, Counters, ServiceDay
from floorcast.floor.days import Calendar
from floorcast.floor.intervals import ServiceIntervals
from floorcast.floor.service_totals import ServiceTotals
from floorcast.floor.zone_change import DayIntervals, move_intervals, summed

__all__ = ["Ledger"]

_AgentDays = dict[int, list[tuple[int, AgentDay]]]
_FREED_PER_STEP = 100  # services or agents of a dropped day
_SERVICES_PER_STEP = 10  # of a change of the time zone, which take about a millisecond
_NOTHING: Sequence[tuple[int, AgentDay]] = ()


class Ledger:
    """One floor's counters, with an index by agent that is rebuilt at startup.

    ``first_day`` is the first day that is kept. ``totals`` holds the services' totals. ``hooks``
    are called with a service before one of its counters changes.
    """

    def __init__(self, counters: Counters, hooks: Sequence[Callable[[int], None]] = ()) -> None:
        self._hooks = hooks
        self.first_day = counters.first_day
        self._counters = counters
        self._service_days = counters.service_days
        self._agent_days = counters.agent_days
        self._intervals = counters.intervals
        self.totals = counters.totals
        self._by_agent: dict[int, _AgentDays] = {}
        self._agents_counted: dict[int, int] = {}  # the agents' counters of all services, by day
        self._dropped: list[dict[int, Any]] = []
        self._read_until = 0
        self._recounted: dict[int, dict[int, int]] = {}
        for day, services in counters.agent_days.items():
            for service, agents in services.items():
                for agent, counter in agents.items():
                    self._note(day, service, agent, counter)

    def begin_day(self, day: int) -> bool:
        """Begin ``day``. Keep this day and the day before, and drop older days.

        The day before is kept because a request to a node whose clock is behind may need it.
        Returns False if nothing changed.
        """
        if day - 1 <= self.first_day:
            return False
        self._keep_from(day - 1)
        return True

    def change_zone(self, old: Calendar, new: Calendar, today: int) -> Iterator[None]:
        """Move the services' counts to the days of another time zone, where it is now ``today``.

        The first day that is kept can become an earlier one. Yields after some services.
        """
        moved: DayIntervals = {}
        for day, services in self._intervals.items():
            for number, service in enumerate(list(services), 1):
                move_intervals(services.pop(service), (old, day), new, service, moved)
                if number % _SERVICES_PER_STEP == 0:
                    yield
        self._intervals.clear()
        self._intervals.update(moved)
        self._service_days.clear()
        for day, services in moved.items():
            days = self._service_days[day] = {}
            for number, (service, slots) in enumerate(services.items(), 1):
                days[service] = summed(slots)
                if number % _SERVICES_PER_STEP == 0:
                    yield
        self._recounted.clear()
        self._keep_from(today - 1)

    def free_dropped(self) -> Iterator[None]:
        """Free the memory of the dropped days in steps. To free 300,000 counters takes 400 ms."""
        while self._dropped:
            day = self._dropped[0]  # that of the services first, which hold many counters each
            for _ in range(min(_FREED_PER_STEP, len(day))):
                day.popitem()
            if not day:
                del self._dropped[0]
            yield

    def _keep_from(self, first_day: int) -> None:
        self.first_day = self._counters.first_day = first_day
        kept: tuple[dict[int, dict[int, Any]], ...] = (
            self._service_days,
            self._agent_days,
            self._by_agent,
            self._intervals,
            self._recounted,
        )
        for days in kept:
            for old in [known for known in days if known < self.first_day]:
                self._dropped.append(days.pop(old))
        for old in [known for known in self._agents_counted if known < self.first_day]:
            del self._agents_counted[old]

    @property
    def agent_counters(self) -> int:
        """The number of agents' counters: one for each day, service and agent."""
        return sum(self._agents_counted.values())

    def service(self, day: int, service: int) -> ServiceDay | None:
        """Return a service's counter for a day; None if the day was dropped."""
        if day < self.first_day:
            return None
        for hook in self._hooks:
            hook(service)
        try:
            return self._service_days[day][service]
        except KeyError:
            counter = self._service_days.setdefault(day, {})[service] = ServiceDay()
            return counter

    def agent(self, day: int, service: int, agent: int) -> AgentDay | None:
        """Return an agent's counter on a service for a day; None if the day was dropped."""
        if day < self.first_day:
            return None
        for hook in self._hooks:
            hook(service)
        try:
            return self._agent_days[day][service][agent]
        except KeyError:
            counter = AgentDay()
            self._agent_days.setdefault(day, {}).setdefault(service, {})[agent] = counter
            self._note(day, service, agent, counter)
            return counter

    def intervals(self, day: int, service: int, at: int) -> ServiceIntervals | None:
        """Return a service's slots for a day, which the caller changes from ``at`` (ms) on.

        Returns None if the day was dropped. Calls no hook.
        """
        if day < self.first_day:
            return None
        if at < self._read_until:
            recounted = self._recounted.setdefault(day, {})
            recounted[service] = min(at, recounted.get(service, at))
        try:
            return self._intervals[day][service]
        except KeyError:
            intervals = self._intervals.setdefault(day, {})[service] = ServiceIntervals()
            return intervals

    def mark_read(self, until: int) -> None:
        """Record that the slots before ``until`` were read, to detect later changes to them."""
        self._read_until = max(self._read_until, until)

    def pop_recounted(self, day: int, service: int) -> int | None:
        """Return the time on a day from which slots have changed after they were read.

        Returns None if nothing has changed since the last call.
        """
        return self._recounted.get(day, {}).pop(service, None)

    def pop_all_recounted(self) -> int | None:
        """Return the earliest result of ``pop_recounted`` for all days and services."""
        first = min((at for days in self._recounted.values() for at in days.values()), default=None)
        self._recounted.clear()
        return first

    def totals_of(self, service: int) -> ServiceTotals:
        """Return a service's counts that are never reset. Calls no hook."""
        try:
            return self.totals[service]
        except KeyError:
            totals = self.totals[service] = ServiceTotals()
            return totals

    def intervals_on(self, day: int) -> Mapping[int, ServiceIntervals]:
        """Return the slots of a day, by service."""
        return self._intervals.get(day, {})

    def services_on(self, day: int) -> Mapping[int, ServiceDay]:
        """Return the counters of a day, by service."""
        return self._service_days.get(day, {})

    def agents_on(self, day: int, service: int) -> Mapping[int, AgentDay]:
        """Return the counters of a day on a service, by agent."""
        return self._agent_days.get(day, {}).get(service, {})

    def days_of(self, day: int, agent: int) -> Sequence[tuple[int, AgentDay]]:
        """Return an agent's counters of a day as (service, counter) pairs."""
        return self._by_agent.get(day, {}).get(agent, _NOTHING)

    def agents_of(self, day: int) -> Mapping[int, object]:
        """Return the agents that have counters of a day, as keys."""
        return self._by_agent.get(day, {})

    def _note(self, day: int, service: int, agent: int, counter: AgentDay) -> None:
        self._by_agent.setdefault(day, {}).setdefault(agent, []).append((service, counter))
        self._agents_counted[day] = self._agents_counted.get(day, 0) + 1
