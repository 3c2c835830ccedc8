"""Agent statistics: each agent's work today, in total (``stats``) or by service (``ex``).

An agent's durations on one service are shown in whole seconds. A total over several services is
the sum of the shown values, so both methods agree.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from floorcast.floor.view import NO_SERVICE, AgentDay, FloorAgent
from floorcast.model.states import STATE_NAMES, State
from floorcast.statistics.consistent_scan import Scan, Slices
from floorcast.statistics.present_agents import AgentDays, agents_of_today, is_quiet, listed_agents
from floorcast.statistics.visibility import Moment, Scope

__all__ = [
    "AgentServices",
    "AgentStatistics",
    "AgentStatisticsAnswer",
    "AgentStatisticsExAnswer",
    "ServiceFigures",
    "agent_statistics",
    "agent_statistics_ex",
]


class AgentStatistics(Struct, rename="camel", gc=False):
    """An agent who is logged in now. Durations are in seconds, ``state_changed_time`` in ms."""

    agent_name: str
    agent_status: str
    inbound_calls: int
    outbound_calls: int
    state_changed_time: int
    ready_duration: int
    total_not_ready_duration: int
    not_ready_lunch_duration: int
    not_ready_training_duration: int
    not_ready_break_duration: int
    not_ready_meeting_duration: int
    not_ready_tech_diff_duration: int
    not_ready_other_duration: int
    wrapup_duration: int
    talk_duration: int
    rpc_complete: int
    rpc_incomplete: int
    wpc: int
    non_contacts: int


class AgentStatisticsAnswer(Struct, rename="camel"):
    """The agents who are logged in to the services now."""

    agent_statistics: list[AgentStatistics]


class ServiceFigures(Struct, rename="camel", gc=False):
    """An agent's figures on one service. ``id`` is null if the service is unknown.

    Durations are in seconds.
    """

    id: int | None
    call_center_id: str | None
    inbound_calls: int
    outbound_calls: int
    ready_duration: int
    total_not_ready_duration: int
    not_ready_lunch_duration: int
    not_ready_training_duration: int
    not_ready_break_duration: int
    not_ready_meeting_duration: int
    not_ready_tech_diff_duration: int
    not_ready_other_duration: int
    wrapup_duration: int
    talk_duration: int
    rpc_complete: int
    rpc_incomplete: int
    wpc: int
    non_contacts: int


class AgentServices(Struct, rename="camel"):
    """An agent who was logged in today, with the services that the agent was logged in to."""

    services: list[ServiceFigures]
    agent_name: str
    agent_login_id: str


class AgentStatisticsExAnswer(Struct, rename="camel"):
    """The agents who were logged in to the services at any time today."""

    agent_statistics: list[AgentServices]


def agent_statistics(scopes: Sequence[Scope], moment: Moment) -> Slices[AgentStatistics]:
    """Return a row for each agent who is logged in now, with sums over the services in view."""
    return Slices([_now(scope, moment) for scope in scopes])


def agent_statistics_ex(scopes: Sequence[Scope], moment: Moment) -> Slices[AgentServices]:
    """Return a row for each agent who was logged in to the services today.

    Each row has an entry per service.
    """
    return Slices([_today(scope, moment) for scope in scopes])


_FigureValues = tuple[int, ...]
"""Inbound and outbound calls, then durations and dispositions in the order of the members."""


def _now(scope: Scope, moment: Moment) -> Scan[AgentStatistics]:
    days = AgentDays(scope, moment)
    agents, names = scope.view.floor_agents, scope.view.agents

    def read(number: int) -> AgentStatistics | None:
        agent, named = agents[number], names[number]
        if is_quiet(agent, moment) or not days.is_listed(agent):
            return None
        shown = [
            _figures(day, time, reasons) for _, day, time, reasons in _service_times(days, agent)
        ]
        sums = shown[0] if len(shown) == 1 else _sum(shown)
        return AgentStatistics(
            named.name or named.login,
            STATE_NAMES[agent.state],
            sums[0],
            sums[1],
            agent.since,
            *sums[2:],
        )

    return Scan(listed_agents(scope, moment), read, scope.view.hooks.agents, scope.rows)


def _today(scope: Scope, moment: Moment) -> Scan[AgentServices]:
    days = AgentDays(scope, moment)
    view = scope.view
    agents, names = view.floor_agents, view.agents
    centers: dict[int, str | None] = {}  # as they are when the scan begins

    def read(number: int) -> AgentServices | None:
        agent, named = agents.get(number) or FloorAgent(number), names.get(number)
        if named is None or not (days.worked(number) and days.was_logged_in(agent)):
            return None
        present = days.present_at(agent)
        services = []
        for at, day, time, reasons in sorted(_service_times(days, agent), key=_by_service):
            shown = _figures(day, time, reasons)
            if at in present or any(shown) or day.was_logged_in:
                name = None if at == NO_SERVICE else at
                if at not in centers:
                    centers[at] = _text(view.call_center_of(at))
                services.append(ServiceFigures(name, centers[at], *shown))
        if not services:
            return None
        return AgentServices(services, named.name or named.login, named.login)

    return Scan(agents_of_today(scope, moment), read, view.hooks.agents, scope.rows)


_ServiceTimes = tuple[int, AgentDay, list[int], list[int]]


def _service_times(days: AgentDays, agent: FloorAgent) -> list[_ServiceTimes]:
    """Return the agent's services, each with its counters and its times by state and by reason.

    The times run up to now.
    """
    more = days.accrued(agent)
    parts = [(at, day, day.time, day.reasons) for at, day in days.of(agent.id)]
    counted = {part[0] for part in parts}
    parts += [
        (at, _NOTHING, _NOTHING.time, _NOTHING.reasons)
        for at in days.present_at(agent)
        if at not in counted
    ]
    if more:
        for index, (at, day, time, reasons) in enumerate(parts):
            if at == agent.service:
                parts[index] = (at, day, *_with_current_time(more, agent, time, reasons))
                break
    return parts


def _with_current_time(
    more: int, agent: FloorAgent, time: list[int], reasons: list[int]
) -> tuple[list[int], list[int]]:
    time = time.copy()
    time[agent.state] += more
    if agent.state is State.NOT_READY:
        reasons = reasons.copy()
        reasons[agent.reason_slot] += more
    return time, reasons


def _by_service(part: _ServiceTimes) -> int:
    return part[0]


_NOTHING = AgentDay()
_NONE: _FigureValues = (0,) * 16
# plain numbers, because looking up an enum member takes three steps
_READY, _WRAP_UP = State.READY.value, State.WRAP_UP.value
_IN_CALL, _HOLD, _TRANSFERRING = State.IN_CALL.value, State.HOLD.value, State.TRANSFERRING.value


def _figures(day: AgentDay, time: list[int], reasons: list[int]) -> _FigureValues:
    not_ready = [spent // 1000 for spent in reasons]
    talk = time[_IN_CALL] + time[_HOLD] + time[_TRANSFERRING]
    return (
        day.inbound,
        day.outbound,
        time[_READY] // 1000,
        sum(not_ready),
        *not_ready,
        time[_WRAP_UP] // 1000,
        talk // 1000,
        *day.dispositions,
    )


def _sum(shown: list[_FigureValues]) -> _FigureValues:
    return tuple(map(sum, zip(*shown, strict=True))) if shown else _NONE


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
