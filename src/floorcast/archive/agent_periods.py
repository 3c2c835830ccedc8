"""Records agents' times and visits in one hour, as the fold counts them.

After a late event, the fold subtracts old counts and adds new ones. The records are sums, so they
equal the counters regardless of the order in which events arrive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from floorcast.archive.hours import Hour
from floorcast.floor.agents import FloorAgent
from floorcast.floor.counters import AgentDay
from floorcast.floor.intervals import SLOT_MS
from floorcast.model.states import NOT_READY

__all__ = ["AgentPeriod", "AgentRecorder", "Slot"]

Slot = tuple[int, int, int]
"""The key of an agent's figures: a five-minute interval's start (ms), a service, an agent."""

_PeriodKey = tuple[int, int, int, str | None]
"""An agent, a service, a state, and the Not Ready reason if there is one."""


class AgentPeriod(NamedTuple):
    """A period in which an agent was in a state at a service. Times are in ms."""

    agent: int
    begin: int
    end: int
    service: int
    state: int
    reason: str | None


class AgentRecorder:
    """Records one hour while ``recording`` is true. See ``agent_states.AgentTimes``."""

    def __init__(self, hour: Hour) -> None:
        self.recording = False
        self._hour = hour
        self._slots: dict[Slot, AgentDay] = {}
        self._edges: dict[_PeriodKey, dict[int, int]] = defaultdict(lambda: defaultdict(int))

    def slot(self, at: int, service: int, agent: int) -> AgentDay | None:
        """Return an agent's figures in the interval of a time, or None outside the hour."""
        start = self._hour.start
        if not start <= at < self._hour.end:
            return None
        key = (start + (at - start) // SLOT_MS * SLOT_MS, service, agent)
        try:
            return self._slots[key]
        except KeyError:
            found = self._slots[key] = AgentDay()
            return found

    def spent(self, agent: FloorAgent, begin: int, spent: int, sign: int) -> None:
        """Add (or, with a negative ``sign``, subtract) time in the agent's state."""
        if not self.recording:
            return
        begin, end = max(begin, self._hour.start), min(begin + spent, self._hour.end)
        if begin >= end:
            return
        reason = agent.reason if agent.state is NOT_READY else None
        edges = self._edges[agent.id, agent.service, int(agent.state), reason]
        edges[begin] += sign
        edges[end] -= sign
        while begin < end:
            figures = self.slot(begin, agent.service, agent.id)
            assert figures is not None  # the time is within the hour
            stop = min(end, begin + SLOT_MS - (begin - self._hour.start) % SLOT_MS)
            figures.time[agent.state] += sign * (stop - begin)
            if agent.state is NOT_READY:
                figures.reasons[agent.reason_slot] += sign * (stop - begin)
            begin = stop

    def visit(self, agent: FloorAgent, at: int, sign: int) -> None:
        """Add ``sign`` to the visits to the agent's state."""
        figures = self.slot(at, agent.service, agent.id) if self.recording else None
        if figures is not None:
            figures.visits[agent.state] += sign

    def periods(self) -> list[AgentPeriod]:
        """Return the periods by agent and time. Adjacent periods of the same kind are merged."""
        return sorted(
            AgentPeriod(agent, begin, end, service, state, reason)
            for (agent, service, state, reason), edges in self._edges.items()
            for begin, end in _covered_ranges(edges)
        )

    def figures(self) -> list[tuple[Slot, AgentDay]]:
        """Return the figures that are not zero, sorted by time, service and agent."""
        return sorted(
            ((key, day) for key, day in self._slots.items() if day != AgentDay()),
            key=lambda pair: pair[0],
        )


def _covered_ranges(edges: dict[int, int]) -> Iterator[tuple[int, int]]:
    depth, begin = 0, 0
    for at in sorted(edges):
        if not edges[at]:
            continue
        before, depth = depth, depth + edges[at]
        if before <= 0 < depth:
            begin = at
        elif depth <= 0 < before:
            yield begin, at
