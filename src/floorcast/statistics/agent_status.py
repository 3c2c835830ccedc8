"""Agent status: each agent's current state and call."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from floorcast.floor.view import NO_SERVICE, CurrentCall, FloorAgent
from floorcast.model.states import STATE_NAMES
from floorcast.statistics.consistent_scan import Scan, Slices
from floorcast.statistics.present_agents import AgentDays, is_quiet, listed_agents
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["AgentDetails", "AgentStatusAnswer", "agent_status"]


class AgentDetails(Struct, rename="camel", gc=False):
    """One agent. ``state_changed_after`` is the time in ms at which its state began."""

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
    """The agents who are logged in now, and the response time in ms."""

    agent_details: list[AgentDetails]
    time_stamp: int


def agent_status(
    scopes: Sequence[Scope], moment: Moment, changed_after: int | None = None
) -> Slices[AgentDetails]:
    """Return the agents who are logged in to the services now.

    With ``changed_after`` (ms), return only agents whose state, reason or service changed after
    that time, or whose change was recorded after it. Agents who logged off after it are included.

    A user with limits sees an agent if they may see one of the agent's services or calls. Other
    services are left blank, and so are a current call on another service, and the skill of an agent
    whose current service is another one.
    """
    return Slices([_of(scope, moment, changed_after) for scope in scopes])


def _of(scope: Scope, moment: Moment, changed_after: int | None) -> Scan[AgentDetails]:
    view = scope.view
    logged_off = changed_after is not None
    ids = listed_agents(scope, moment, logged_off=logged_off)
    days = AgentDays(scope, moment)
    agents, names = view.floor_agents, view.agents
    service_names = _ServiceNames(scope)

    def read(number: int) -> AgentDetails | None:
        agent, named = agents[number], names[number]
        if not days.is_listed(agent, logged_off=logged_off):
            return None
        if changed_after is not None and not view.has_changed(agent, changed_after):
            return None
        if agent.state and is_quiet(agent, moment):
            return None
        call = _visible_call(scope, agent)
        phone, account, direction = view.call_members(call)
        inbound = outbound = 0
        for _, day in days.of(number):
            inbound += day.inbound
            outbound += day.outbound
        service, service_name, center, center_name = service_names.of(agent.service)
        return AgentDetails(
            service,
            service_name,
            named.login,
            named.name or named.login,
            STATE_NAMES[agent.state],
            int(agent.state),
            agent.reason or "",
            direction,
            agent.since,
            inbound or None,
            outbound or None,
            agent.monitored,
            call.transaction,
            call.session,
            account,
            agent.skill if scope.sees(agent.service) else None,
            phone,
            center,
            center_name,
        )

    calls = (view.hooks.calls, view.agents_of_call)
    return Scan(ids, read, view.hooks.agents, scope.rows, calls=calls)


def _visible_call(scope: Scope, agent: FloorAgent) -> CurrentCall:
    """Return the agent's current call, or a blank one if the user may not see it."""
    call = agent.call
    if call is None:
        return _NO_CALL
    if scope.limits is not None and not scope.sees(scope.view.current_call_service(agent, call)):
        return _NO_CALL
    return call


_NO_CALL = CurrentCall()
_ServiceAndCallCenter = tuple[int | None, str | None, str | None, str | None]


class _ServiceNames:
    """The ids and names of services and their call centers, as they were when the scan began."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._services = scope.view.services
        self._call_centers = scope.view.call_centers
        self._known: dict[int, _ServiceAndCallCenter] = {}

    def of(self, service: int) -> _ServiceAndCallCenter:
        named = self._known.get(service)
        if named is None:
            named = self._known[service] = self._look_up(service)
        return named

    def _look_up(self, service: int) -> _ServiceAndCallCenter:
        known = self._services.get(service)
        if service == NO_SERVICE or known is None or not self._scope.sees(service):
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
