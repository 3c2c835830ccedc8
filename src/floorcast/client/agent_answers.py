"""The agent methods' answers, as tolerant types (see ``floorcast.client.answers``)."""

from __future__ import annotations

from msgspec import Struct, field

from floorcast.client.answers import Answer

__all__ = [
    "AgentAverages",
    "AgentAveragesAnswer",
    "AgentDetails",
    "AgentServices",
    "AgentStatistics",
    "AgentStatisticsAnswer",
    "AgentStatisticsExAnswer",
    "AgentStatusAnswer",
    "ServiceFigures",
]


class AgentAverages(Struct, rename="camel", kw_only=True):
    """The average time that agents spent in each state."""

    average_ready_time: int | None = None
    average_not_ready_time: int | None = None
    average_talk_time: int | None = None
    average_wrapup_time: int | None = None
    average_preview_dial_time: int | None = None
    average_manual_dial_time: int | None = None
    average_hold_time: int | None = None
    average_transferring_time: int | None = None
    average_registering_time: int | None = None
    average_dialing_time: int | None = None
    average_reserved_time: int | None = None
    time_stamp: int | None = None


class AgentAveragesAnswer(Answer, kw_only=True):
    """One row of averages, and the time of the answer."""

    agent_averages: list[AgentAverages] = field(default_factory=list)
    time_stamp: int | None = None


class _AgentFigures(Struct, rename="camel", kw_only=True):
    inbound_calls: int | None = None
    outbound_calls: int | None = None
    ready_duration: int | None = None
    total_not_ready_duration: int | None = None
    not_ready_lunch_duration: int | None = None
    not_ready_training_duration: int | None = None
    not_ready_break_duration: int | None = None
    not_ready_meeting_duration: int | None = None
    not_ready_tech_diff_duration: int | None = None
    not_ready_other_duration: int | None = None
    wrapup_duration: int | None = None
    talk_duration: int | None = None
    rpc_complete: int | None = None
    rpc_incomplete: int | None = None
    wpc: int | None = None
    non_contacts: int | None = None


class AgentStatistics(_AgentFigures, kw_only=True):
    """Today's figures of an agent who is logged in now."""

    agent_name: str | None = None
    agent_status: str | None = None
    state_changed_time: int | None = None


class AgentStatisticsAnswer(Answer, kw_only=True):
    """The agents who are logged in now."""

    agent_statistics: list[AgentStatistics] = field(default_factory=list)


class ServiceFigures(_AgentFigures, kw_only=True):
    """One agent's figures for one service today."""

    id: int | None = None
    call_center_id: int | None = None


class AgentServices(Struct, rename="camel", kw_only=True):
    """An agent who was logged in today, with figures for each of the agent's services."""

    services: list[ServiceFigures] = field(default_factory=list)
    agent_name: str | None = None
    agent_login_id: str | None = None


class AgentStatisticsExAnswer(Answer, kw_only=True):
    """The agents who were logged in at any time today."""

    agent_statistics: list[AgentServices] = field(default_factory=list)


class AgentDetails(Struct, rename="camel", kw_only=True):
    """One agent's current state, which began at ``state_changed_after``."""

    service_id: int | None = None
    service_name: str | None = None
    agent_login_id: str | None = None
    agent_name: str | None = None
    state: str | None = None
    state_id: int | None = None
    reason_code: str | None = None
    call_type: str | None = None
    state_changed_after: int | None = None
    inbound_calls: int | None = None
    outbound_calls: int | None = None
    is_agent_monitored: bool | None = None
    transaction_id: int | None = None
    session_id: str | None = None
    account: str | None = None
    agent_skill: str | None = None
    phone: str | None = None
    call_center_id: int | None = None
    call_center_name: str | None = None


class AgentStatusAnswer(Answer, kw_only=True):
    """The agents who are logged in now, and the time of the answer."""

    agent_details: list[AgentDetails] = field(default_factory=list)
    time_stamp: int | None = None
