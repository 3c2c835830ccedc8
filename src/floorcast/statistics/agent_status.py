"""Agent status: what each agent is at, now."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from floorcast.floor.agents import CallInHand
from floorcast.floor.directory import NO_SERVICE
from floorcast.model.states import STATE_NAMES
from floorcast.statistics.consistent_scan import AgentReading, Slices
from floorcast.statistics.present_agents import AgentDays, is_quiet, logged_in, logged_off
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["AgentDetails", "AgentStatusAnswer", "agent_status"]


class AgentDetails(Struct, rename="camel", gc=False):
    """One agent; ``state_changed_after`` is when its state began, in ms."""

    service_id: int | None
    service_name: str | None
    agent_login_id: str
    agent_name: str
    state: str
    state_id: int
    reason_code: str
    call_type: str | None
    state_changed_after: int
    inbound_calls: int | None
    outbound_calls: int | None
    is_agent_monitored: bool
    transaction_id: int | None
    session_id: str | None
    account: str | None
    agent_skill: str | None
    phone: str | None
    call_center_id: str | None
    call_center_name: str | None


class AgentStatusAnswer(Struct, rename="camel"):
    """The agents that are logged in now, and the ms of the answer."""

    agent_details: list[AgentDetails]
    time_stamp: int


def agent_status(
    scopes: Sequence[Scope], moment: Moment, changed_after: int | None = None
) -> Slices[AgentDetails]:
    """The agents that are logged in to the services now.

    ``changed_after`` (ms) keeps those alone whose state began later, and adds those that logged
    off later.
    """
    return Slices([_of(scope, moment, changed_after) for scope in scopes])


def _of(scope: Scope, moment: Moment, changed_after: int | None) -> AgentReading[AgentDetails]:
    ids = logged_in(scope)
    if changed_after is not None:
        ids |= logged_off(scope)
    days = AgentDays(scope, moment)
    agents, names = scope.floor.state.agents, scope.floor.state.directory.agents
    positions = _Places(scope)

    def read(number: int) -> AgentDetails | None:
        agent, named = agents[number], names[number]
        if changed_after is not None and agent.since <= changed_after:
            return None
        if agent.state and is_quiet(agent, moment):
            return None
        call = agent.call or _NO_CALL
        inbound = outbound = 0
        for _, day in days.of(number):
            inbound += day.inbound
            outbound += day.outbound
        service, service_name, center, center_name = positions.of(agent.service)
        return AgentDetails(
            service,
            service_name,
            named.login,
            named.name or named.login,
            STATE_NAMES[agent.state],
            int(agent.state),
            agent.reason or "",
            call.direction,
            agent.since,
            inbound or None,
            outbound or None,
            agent.monitored,
            call.transaction,
            call.session,
            call.account,
            agent.skill,
            call.phone,
            center,
            center_name,
        )

    return AgentReading(scope.floor, ids, read)


_NO_CALL = CallInHand()
_Place = tuple[int | None, str | None, str | None, str | None]


class _Places:
    """Id and name of services and of their call centers, as they were when the reading began."""

    def __init__(self, scope: Scope) -> None:
        directory = scope.floor.state.directory
        self._services = directory.services
        self._call_centers = directory.call_centers
        self._known: dict[int, _Place] = {}

    def of(self, service: int) -> _Place:
        position = self._known.get(service)
        if position is None:
            position = self._known[service] = self._look_up(service)
        return position

    def _look_up(self, service: int) -> _Place:
        known = self._services.get(service)
        if service == NO_SERVICE or known is None:
            return (None, None, None, None)
        if known.call_center is None:
            return (service, known.name, None, None)
        center = self._call_centers.get(known.call_center)
        return (
            service,
            known.name,
            str(known.call_center),
            None if center is None else center.name,
        )
