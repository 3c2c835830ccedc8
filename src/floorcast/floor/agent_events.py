"""The events of the agent feed, made from inbound events and the floor."""

from __future__ import annotations

from floorcast.floor.agents import CallInHand, OnFloor
from floorcast.floor.directory import Directory
from floorcast.model.inbound_data import AgentStateData
from floorcast.model.outbound import AgentEvent

__all__ = ["CALL_OF", "agent_event", "agent_event_kind"]

CALL_OF = "call of "  # and a call center: the kind of an event whose call another one has


def agent_event_kind(event: AgentEvent, directory: Directory) -> str:
    """The kind for filters: the call center of the event's call, if it is not the agent's.

    A user who may not see that call center sees the event without its call.
    """
    service = event.call_service_id
    if service is None or service == event.agent_service_id:
        return ""
    center = directory.call_center_of(service)
    if center == directory.call_center_of(event.agent_service_id):
        return ""
    return f"{CALL_OF}{'' if center is None else center}"


def agent_event(
    client: int,
    agent: OnFloor,
    data: AgentStateData,
    call: CallInHand | None,
    service: int | None,
    at: int,
    directory: Directory,
) -> AgentEvent:
    """An agent entered a state on ``service`` at ``at`` (ms) with the call ``call``."""
    entry = directory.agents[agent.id]
    # at most 15 keywords at once: with more, Python 3.11 makes a dictionary of them first
    fed = AgentEvent(
        timestamp=at,
        client_id=client,
        agent_id=agent.id,
        agent_service_id=service,
        agent_team_id=entry.team,
        agent_login_id=entry.login,
        line_number=data.line_number or "ACD",
        event_type=data.event_type,
        not_ready_reason_code=data.reason,
        result=data.result,
        seq_num=agent.seq,
        event_id=f"cid={client}:aid={agent.id}:time={at}:seq={agent.seq}",
    )
    if call is not None:
        fed.call_service_id = call.service
        fed.transaction_id, fed.session_id = call.transaction, call.session
        fed.phone_number, fed.account = call.phone, call.account
        fed.campaign_type = call.campaign_type
    if data.agent2 is not None:
        fed.agent2_id = directory.agent(data.agent2)
    if data.supervisor is not None:
        fed.supervisor_session_id = data.supervisor.session_id
        fed.supervisor_phone_number = data.supervisor.phone_number
    return fed
