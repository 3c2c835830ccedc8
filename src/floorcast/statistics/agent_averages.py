"""Agent averages: the mean duration of a visit to each state, across the services' agents."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add

from msgspec import Struct

from floorcast.model.states import State
from floorcast.statistics.consistent_scan import Scan, Slices
from floorcast.statistics.present_agents import AgentDays, AgentServiceDay, agents_of_today
from floorcast.statistics.rounding import mean_seconds
from floorcast.statistics.visibility import Moment, Scope

__all__ = [
    "AgentAverages",
    "AgentAveragesAnswer",
    "Totals",
    "agent_averages",
    "averages_answer",
    "sum_totals",
]


class AgentAverages(Struct, rename="camel"):
    """The mean duration of a visit to each state, in whole seconds, as text."""

    average_ready_time: str
    average_not_ready_time: str
    average_talk_time: str
    average_wrapup_time: str
    average_preview_dial_time: str
    average_manual_dial_time: str
    average_hold_time: str
    average_transferring_time: str
    average_registering_time: str
    average_dialing_time: str
    average_reserved_time: str
    time_stamp: str


class AgentAveragesAnswer(Struct, rename="camel"):
    """One row, and the response time in ms, as text."""

    agent_averages: list[AgentAverages]
    time_stamp: str


Totals = tuple[list[int], list[int]]
"""The time in ms and the number of visits, each by state."""

_AVERAGED_STATES = (
    State.READY,
    State.NOT_READY,
    State.IN_CALL,
    State.WRAP_UP,
    State.PREVIEW_DIAL,
    State.MANUAL_DIAL,
    State.HOLD,
    State.TRANSFERRING,
    State.REGISTERING,
    State.DIALING,
    State.RESERVED,
)


def agent_averages(scopes: Sequence[Scope], moment: Moment) -> Slices[Totals]:
    """Return each agent's totals on the services today, for ``averages_answer``."""
    return Slices([_of(scope, moment) for scope in scopes])


def averages_answer(totals: Sequence[Totals], moment: Moment) -> AgentAveragesAnswer:
    """Return the averages over these totals, which may be single agents' totals or sums."""
    time, visits = sum_totals(totals)
    means = [str(mean_seconds(time[state], visits[state])) for state in _AVERAGED_STATES]
    stamp = str(moment.now)
    return AgentAveragesAnswer([AgentAverages(*[*means, stamp])], stamp)


def sum_totals(totals: Sequence[Totals]) -> Totals:
    """Add up totals."""
    nothing = [0] * len(State)
    time = [sum(column) for column in zip(nothing, *(one[0] for one in totals), strict=True)]
    visits = [sum(column) for column in zip(nothing, *(one[1] for one in totals), strict=True)]
    return time, visits


def _of(scope: Scope, moment: Moment) -> Scan[Totals]:
    days = AgentDays(scope, moment)
    agents = scope.view.floor_agents

    def read(number: int) -> Totals | None:
        if not days.worked(number):
            return None
        time, visits = _counted(days.of(number))
        agent = agents.get(number)
        more = 0 if agent is None else days.accrued(agent)
        if agent is not None and more:
            time[agent.state] += more
            visits[agent.state] += days.adds_visit(agent)
        return time, visits

    return Scan(agents_of_today(scope, moment), read, scope.view.hooks.agents, scope.rows)


def _counted(parts: Sequence[AgentServiceDay]) -> Totals:
    if not parts:
        return [0] * len(State), [0] * len(State)
    day = parts[0][1]
    time, visits = day.time.copy(), day.visits.copy()
    for _, day in parts[1:]:
        time = list(map(add, time, day.time))
        visits = list(map(add, visits, day.visits))
    return time, visits
