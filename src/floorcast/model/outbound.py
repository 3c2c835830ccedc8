"""Outbound events: one class per event, with members in the order of the reference's examples.

The JSON types are those of the reference: ids are strings in Email and SMS events, and numbers in
VOICE events except for ``agentId``. A member with the default UNSET is omitted while it is unknown.
Every other member is always present, and null if it is unknown (section 3 of the contract).
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from floorcast.model.inbound_data import AlertStatus, Direction
from floorcast.model.states import AgentEventType

__all__ = [
    "AgentEvent",
    "AlertEvent",
    "CallDispositionEvent",
    "CallEvent",
    "CallStartEvent",
    "CallTerminationEvent",
    "EmailEvent",
    "InteractionEvent",
    "OutboundEvent",
    "SmsEvent",
]


_DIRECTION = Annotated[str, Meta(extra_json_schema={"enum": list(get_args(Direction))})]
_AGENT_EVENT_TYPE = Annotated[
    str, Meta(extra_json_schema={"enum": sorted(get_args(AgentEventType))})
]


class AgentEvent(Struct, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    """An agent entered a state. Members that do not apply are omitted. ``timestamp`` is in ms."""

    timestamp: int
    client_id: int
    agent_id: int
    agent_service_id: int | None = None
    agent_team_id: int | None = None
    agent_login_id: str | None = None
    line_number: str
    event_type: _AGENT_EVENT_TYPE
    not_ready_reason_code: str | None = None
    call_service_id: int | None = None
    transaction_id: int | None = None
    session_id: str | None = None
    phone_number: str | None = None
    account: str | None = None
    result: str | None = None
    campaign_type: str | None = None
    agent2_id: int | None = None
    supervisor_session_id: str | None = None
    supervisor_phone_number: str | None = None
    seq_num: int
    event_id: str


class AlertEvent(Struct, rename="camel", kw_only=True, gc=False):
    """An alert's status changed. ``timestamp`` is in ms.

    ``service_id`` is null if the alert is about the whole client. ``value`` is the figure's value
    at the time; null outside the rule's hours, or if there are too few calls to evaluate it. ``to``
    names the webhooks that are sent the event.
    """

    event_id: str
    timestamp: int
    client_id: int
    alert_id: str
    name: str
    status: AlertStatus
    figure: str
    service_id: int | None
    service_name: str | None
    call_center_id: int | None
    condition: Literal["above", "below"]
    threshold: int | float
    value: int | float | None
    acknowledged_by: str | None
    to: tuple[str, ...]


class _Voice(Struct, rename="camel", gc=False):
    event_id: str
    call_event_type: str
    interaction_type: Literal["VOICE"]
    transaction_id: int
    client_id: int
    service_id: int | None
    call_center_id: int | None
    session_id: str
    campaign_id: int | None
    phone_dialed: str | None
    account: str | None


class CallStartEvent(_Voice, gc=False):
    """A call began."""

    call_event_type: Literal["CALL_START"]
    operator_phone: str | None
    area_code_state: str | None
    call_direction: _DIRECTION | None
    campaign_type: str | None
    agent_login_id: str | None
    agent_id: str | None
    start: str
    timestamp: str
    caller_id: str | UnsetType = UNSET
    phone_position: str | int | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    zip_code: str | UnsetType = UNSET


class CallTerminationEvent(_Voice, gc=False):
    """A call ended. Durations are whole seconds."""

    call_event_type: Literal["CALL_TERMINATION"]
    operator_phone: str | None
    area_code_state: str | None
    call_direction: _DIRECTION | None
    campaign_type: str | None
    agent_login_id: str | None
    agent_id: str | None
    start: str | None
    end: str
    timestamp: str
    caller_id: str | None
    service_level_threshold: int | None
    transfer_hold_duration: int
    rounded_ivr_duration: int | None
    duration: int | None
    agent_skill_id: str | int
    lv_result_id: int | None
    priority: int | None
    lv_result: str | None
    operator_transfer_successful: int
    operator_transfer: int
    phone_position: str | int | UnsetType = UNSET
    zip_code: str | UnsetType = UNSET


class CallDispositionEvent(_Voice, gc=False):
    """A term code was set. ``areaCodeState`` and ``zipCode`` are the text ``null`` if unknown."""

    call_event_type: Literal["CALL_DISPOSITION"]
    area_code_state: str
    zip_code: str
    start: str | None
    timestamp: str
    agent_id: str | None
    term_code: str | None
    agent_action_type: str | None
    call_outcome1: str | None
    call_outcome2: str | None
    call_outcome3: str | None


class _Message(Struct, rename="camel", kw_only=True, gc=False):
    event_id: str
    interaction_type: str
    client_id: str
    call_center_id: str | None
    service_id: str | None
    timestamp: str
    campaign_id: str | None
    session_id: str | None


class EmailEvent(_Message, kw_only=True, gc=False):
    """An outbound email."""

    interaction_type: Literal["Email"] = "Email"
    from_email: str | None
    to_email: str | None
    acct_transaction_id: str | None
    event_type: str
    thread_id: str | None
    account_number: str | None
    campaign_type: str | None
    campaign_type_id: str | UnsetType = UNSET
    carrier: str | None
    call_start_time: str | UnsetType = UNSET


class SmsEvent(_Message, kw_only=True, gc=False):
    """An outbound SMS."""

    interaction_type: Literal["SMS"] = "SMS"
    phone_number: str | None
    acct_transaction_id: str | None
    event_type: str
    thread_id: str | None
    account_number: str | None
    campaign_type: str | None
    carrier: str | None
    sms_code: str | None
    campaign_type_id: str | UnsetType = UNSET
    call_start_time: str | UnsetType = UNSET


CallEvent = CallStartEvent | CallTerminationEvent | CallDispositionEvent
InteractionEvent = CallEvent | EmailEvent | SmsEvent


class OutboundEvent(Struct, gc=False):
    """An event for a feed, with the properties that filters check."""

    feed: str
    kind: str
    service: int | None
    call_center: int | None
    event: AgentEvent | InteractionEvent | AlertEvent
