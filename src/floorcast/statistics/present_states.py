"""A service's waiting calls, and its agents' time in their present states, for interval rows.

A service with very many of them is read in steps, by a scan of its calls and a scan of its agents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from floorcast.floor.view import SLOT_MS, TIME_COLUMN, Call, Column, Day, FloorView
from floorcast.statistics.consistent_scan import CallScan, Scan
from floorcast.statistics.interval_rows import AgentState, AgentTimes
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["DayPart", "LargeServices", "add_times", "states_at", "waiting_at"]

_FIRST_TIME = int(Column.READY_TIME)
_TIMES = Column.AGENTS_MOST - Column.READY_TIME
_COLUMN_OF = [column - _FIRST_TIME for column in TIME_COLUMN]


class DayPart(NamedTuple):
    """The intervals of a day from slot ``first`` onward, each of ``width`` slots."""

    day: Day
    first: int
    width: int


class LargeServices:
    """The services with more than ``scope.large`` calls or agents, as they are at the start.

    ``numbers`` holds their ids. ``waiting`` holds their waiting calls, and how many of these have
    waited since before the last day. ``times`` holds their agents' time in the present states, for
    each of ``parts``. Both are complete after the last step. The object must be read to its end or
    closed.
    """

    def __init__(self, scope: Scope, moment: Moment, parts: Sequence[DayPart]) -> None:
        view, self._moment, self._parts = scope.view, moment, parts
        self._midnight = parts[-1].day.begin
        self.numbers = view.large_services(scope.large).intersection(scope.services)
        self.waiting: defaultdict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
        self.times: defaultdict[int, list[AgentTimes]] = defaultdict(lambda: [{} for _ in parts])
        self._floor_agents = view.floor_agents
        self._calls = CallScan(scope, self._read_call, view.calls_in_progress(self.numbers))
        self._agents = Scan(
            view.logged_in(self.numbers), self._read_agent, view.hooks.agents, scope.rows
        )

    def __iter__(self) -> Iterator[None]:
        """Read some calls or agents per step. The floor may fold more entries in between."""
        for calls in self._calls:
            for service, carried_over in calls:
                waiting, over = self.waiting[service]
                self.waiting[service] = waiting + 1, over + carried_over
            yield
        for agents in self._agents:
            for service, state in agents:
                for part, times in zip(self._parts, self.times[service], strict=True):
                    add_times(times, (state,), self._moment, part)
            yield

    def close(self) -> None:
        """Release the floor."""
        self._calls.close()
        self._agents.close()

    def _read_call(self, service: int, call: Call) -> tuple[int, bool] | None:
        if not call.waiting:
            return None
        return service, call.waited_at_midnight(self._midnight, self._moment.quiet_call)

    def _read_agent(self, number: int) -> tuple[int, AgentState] | None:
        agent = self._floor_agents[number]
        if agent.service not in self.numbers:
            return None
        return agent.service, (number, agent.state, agent.counted_until, agent.last_event)


def waiting_at(view: FloorView, service: int, midnight: int, quiet_call: int) -> tuple[int, int]:
    """Return how many calls wait at a service, and how many of them since before midnight."""
    waiting = over = 0
    for _, calls in view.calls_in_progress((service,)):
        for call in calls:
            if call.waiting:
                waiting += 1
                over += call.waited_at_midnight(midnight, quiet_call)
    return waiting, over


def states_at(view: FloorView, service: int) -> list[AgentState]:
    """Return the current states of the agents whose present service this is."""
    return [
        (agent.id, agent.state, agent.counted_until, agent.last_event)
        for agent in view.logged_in_to(service).values()
        if agent.service == service and agent.state
    ]


def add_times(
    times: AgentTimes, states: Iterable[AgentState], moment: Moment, part: DayPart
) -> None:
    """Add the time that agents have spent in their present states to the intervals of a day."""
    day, width = part.day, part.width * SLOT_MS
    first = day.begin + part.first * SLOT_MS
    quiet, until = moment.quiet_agent, min(moment.now, day.end)
    for _, state, since, last_event in states:  # 10,000: min() and max() would double the time
        begin = first if since < first else since  # noqa: FURB136 - see above
        end = until if last_event + quiet > until else last_event + quiet  # noqa: FURB136 - see above
        while begin < end:
            interval = (begin - day.begin) // width
            stop = day.begin + (interval + 1) * width
            stop = end if stop > end else stop  # noqa: FURB136 - see above
            try:
                times[interval][_COLUMN_OF[state]] += stop - begin
            except KeyError:
                times[interval] = [0] * _TIMES
                times[interval][_COLUMN_OF[state]] = stop - begin
            begin = stop
