"""The counters that an agent's states change: time and visits, by day, service and slot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from floorcast.floor.agents import OnFloor
from floorcast.floor.days import Calendar
from floorcast.floor.ledger import Ledger
from floorcast.model.states import NOT_READY

__all__ = ["AgentCounts", "AgentTimes", "slices"]


class AgentTimes(Protocol):
    """Receives every count of an agent's time and visits. Moments are in ms."""

    def spent(self, agent: OnFloor, begin: int, spent: int, sign: int) -> None:
        """The agent was in its state from ``begin`` for ``spent`` (+1), or was not (-1)."""
        ...

    def visit(self, agent: OnFloor, at: int, sign: int) -> None:
        """The agent's visit to its state and service counts at ``at`` (+1), or does not (-1)."""
        ...


def slices(begin: int, end: int, calendar: Calendar) -> Iterator[tuple[int, int]]:
    """The days that the time from ``begin`` to ``end`` touches, and the ms in each."""
    day = calendar.day_of(begin)
    while begin < end:
        stop = min(calendar.bounds(day)[1], end)
        yield day, stop - begin
        begin, day = stop, day + 1


class AgentCounts:
    """Counts into one floor's ledger. ``times`` receives every count, too.

    Each method counts once (``sign`` 1), takes a count back (-1), or only notes what would have
    been counted (0).
    """

    def __init__(self, ledger: Ledger, calendar: Calendar, times: AgentTimes | None = None) -> None:
        self._ledger = ledger
        self._calendar = calendar
        self._times = times

    def visit(self, agent: OnFloor, day: int, at: int, sign: int) -> None:
        """Count the agent's visit to its state and service on the day, unless it is counted."""
        place = (day, agent.service)
        visited = agent.visited
        if place in visited:
            return
        agent.visited = (*visited, place)
        if sign:
            counter = self._ledger.agent(day, agent.service, agent.id)
            if counter is not None:
                counter.visits[agent.state] += sign
                if self._times is not None:
                    self._times.visit(agent, at, sign)

    def time(self, agent: OnFloor, until: int, sign: int) -> None:
        """Count the agent's time in its state from its last event until then."""
        begin = agent.last_event
        if begin >= until:
            return
        today = self._calendar.same_day(begin, until)
        if today is not None:
            self._slice(agent, today, begin, until - begin, sign)
            return
        # a wrong clock can be decades behind: dropped days are not iterated
        begin = max(begin, self._calendar.bounds(self._ledger.first_day)[0])
        for day, spent in slices(begin, until, self._calendar):
            self._slice(agent, day, begin, spent, sign)
            begin += spent

    def _slice(self, agent: OnFloor, day: int, begin: int, spent: int, sign: int) -> None:
        state, service = agent.state, agent.service
        if (day, service) not in agent.visited:
            self.visit(agent, day, begin, sign)
        if not sign:
            return
        counter = self._ledger.agent(day, service, agent.id)
        if counter is not None:
            counter.time[state] += sign * spent
            slots = self._ledger.intervals(day, service, begin)
            assert slots is not None  # as the counter is not
            after = begin - self._calendar.bounds(day)[0]
            slots.add_time(state, after, after + spent, sign)
            if state is NOT_READY:
                counter.reasons[agent.slot] += sign * spent
            if self._times is not None:
                self._times.spent(agent, begin, spent, sign)
