"""The events of the agent feed, made from what a source sent and the floor knows."""

from __future__ import annotations

from floorcast.floor.agents import CallInHand, OnFloor
from floorcast.floor.directory import Directory
from floorcast.model.inbound import AgentStateData
from floorcast.model.outbound import AgentEvent

__all__ = ["CALL_OF", "agent_event", "agent_event_kind"]

CALL_OF = "call of "  # and a call center: the kind of an event whose call another one has

_NO_CALL = CallInHand()


def agent_event_kind(event: AgentEvent, directory: Directory) -> str:
    """What filters look at: the call center of the event's call, if it is not the agent's.

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
    """An agent entered a state on ``service``, at ``at`` (ms), with ``call`` in hand."""
    entry = directory.agents[agent.id]
    call = call or _NO_CALL
    supervisor = data.supervisor
    return AgentEvent(
        timestamp=at,
        client_id=client,
        agent_id=agent.id,
        agent_service_id=service,
        agent_team_id=entry.team,
        agent_login_id=entry.login,
        line_number=data.line_number or "ACD",
        event_type=data.event_type,
        not_ready_reason_code=data.reason,
        call_service_id=call.service,
        transaction_id=call.transaction,
        session_id=call.session,
        phone_number=call.phone,
        account=call.account,
        result=data.result,
        campaign_type=call.campaign_type,
        agent2_id=None if data.agent2 is None else directory.agent(data.agent2),
        supervisor_session_id=None if supervisor is None else supervisor.session_id,
        supervisor_phone_number=None if supervisor is None else supervisor.phone_number,
        seq_num=agent.seq,
        event_id=f"cid={client}:aid={agent.id}:time={at}:seq={agent.seq}",
    )
