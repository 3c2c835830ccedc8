"""The data of inbound events: one class per ``type`` (section 8 of the contract).

Required members have no default. Other members are None if they were not sent. Unknown members are
ignored. An *entity* (service, campaign, agent, team) is named by its id or by a string, which
``floorcast.floor.directory`` resolves.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from floorcast.model.states import AgentEventType

__all__ = [
    "MAX_SERVICES",
    "AgentMissedData",
    "AgentStateData",
    "AlertStatus",
    "AlertTransitionData",
    "CallAnswerData",
    "CallDispositionData",
    "CallEndData",
    "CallLeaveData",
    "CallQueueData",
    "CallRef",
    "CallStartData",
    "CallUpdateData",
    "CampaignUpdateData",
    "Consumer",
    "EmailAttemptData",
    "SmsAttemptData",
    "Supervisor",
    "Time",
    "ZoneRecords",
]

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Digits = Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")]
Number = Id | Digits
Name = Annotated[str, Meta(min_length=1, max_length=256)]
EntityRef = Id | Name
Text = Annotated[str, Meta(max_length=4096)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Direction = Literal["INBOUND", "OUTBOUND", "MANUAL"]
LeaveReason = Literal[
    "TIMEOUT", "KEY", "EMPTY", "FULL", "WITHDRAWN", "OVERFLOW", "CALLBACK", "VOICEMAIL", "TRANSFER",
    "OTHER",
]  # fmt: skip
MissedReason = Literal["NO_ANSWER", "REFUSED", "BUSY", "CANCELLED"]
MAX_SERVICES = 1000  # services that one agent is logged in to
Time = Annotated[datetime, Meta(tz=True)]


class _Data(Struct, rename="camel", kw_only=True, gc=False):
    pass


class CallRef(_Data):
    """The call that an agent event is about."""

    transaction_id: Number | None = None
    session_id: Name | None = None
    service: EntityRef | None = None
    phone_number: Text | None = None
    account: Text | None = None
    campaign_type: Text | None = None
    direction: Direction | None = None


class Supervisor(_Data):
    """The supervisor in an agent's transfer."""

    session_id: Text | None = None
    phone_number: Text | None = None


class AgentStateData(_Data):
    """An agent entered a state."""

    agent: EntityRef
    event_type: AgentEventType
    service: EntityRef | None = None
    services: Annotated[Sequence[EntityRef], Meta(min_length=1, max_length=MAX_SERVICES)] | None = (
        None
    )
    reason: Text | None = None
    line_number: Text | None = None
    team: EntityRef | None = None
    skill: Text | None = None
    monitored: bool | None = None
    call: CallRef | None = None
    result: Text | None = None
    agent2: EntityRef | None = None
    supervisor: Supervisor | None = None


class Consumer(_Data):
    """The person at the other end of a call."""

    first_name: Text | None = None
    last_name: Text | None = None


class _CallData(_Data):
    transaction_id: Number
    session_id: Name


class CallUpdateData(_CallData, kw_only=True):
    """More about a call became known: any member of ``call.start`` except the direction."""

    service: EntityRef | None = None
    campaign: EntityRef | None = None
    campaign_type: Text | None = None
    phone_dialed: Text | Whole | None = None
    caller_id: Text | Whole | None = None
    account: Text | None = None
    consumer: Consumer | None = None
    total_due: float | None = None
    zip_code: Text | None = None
    area_code_state: Text | None = None
    phone_position: Text | Whole | None = None
    priority: Whole | None = None
    operator_phone: Text | None = None


class CallStartData(CallUpdateData, kw_only=True):
    """A call began."""

    service: EntityRef
    direction: Direction


class CallQueueData(_CallData):
    """A call started to wait for an agent."""

    service: EntityRef | None = None
    skill: Text | Whole | None = None
    priority: Whole | None = None


class CallAnswerData(_CallData):
    """A call was answered. Without ``agent``, the agent is unknown."""

    agent: EntityRef | None = None


class CallEndData(_CallData):
    """A call ended. Members that are sent take precedence over derived ones."""

    lv_result: Text | None = None
    lv_result_id: Whole | None = None
    rounded_ivr_duration: Whole | None = None
    transfer_hold_duration: Whole | None = None
    duration: Whole | None = None
    operator_transfer: Whole | None = None
    operator_transfer_successful: Whole | None = None
    service_level_threshold: Whole | None = None
    agent: EntityRef | None = None
    agent_id: EntityRef | None = None
    agent_login_id: Text | None = None
    agent_skill_id: Text | Whole | None = None
    service: EntityRef | None = None
    campaign: EntityRef | None = None
    campaign_type: Text | None = None
    call_direction: Direction | None = None
    phone_dialed: Text | Whole | None = None
    caller_id: Text | Whole | None = None
    account: Text | None = None
    operator_phone: Text | None = None
    area_code_state: Text | None = None
    zip_code: Text | None = None
    phone_position: Text | Whole | None = None
    priority: Whole | None = None
    start: Time | None = None
    end: Time | None = None


class CallDispositionData(_CallData):
    """A call's term code was set."""

    term_code: Text | None = None
    agent: EntityRef | None = None
    account: Text | None = None
    agent_action_type: Text | None = None
    call_outcome1: Text | None = None
    call_outcome2: Text | None = None
    call_outcome3: Text | None = None


class CallLeaveData(_CallData):
    """A call left its service but did not end. ``key`` is the key that the caller pressed."""

    reason: LeaveReason
    key: Text | None = None
    to: Text | None = None


class AgentMissedData(_CallData):
    """A call was offered to an agent who did not answer it."""

    agent: EntityRef
    reason: MissedReason
    service: EntityRef | None = None
    ring_seconds: Annotated[float, Meta(ge=0)] | None = None


class _MessageData(_Data):
    service: EntityRef
    event_type: Text
    campaign: EntityRef | None = None
    session_id: Text | None = None
    acct_transaction_id: Text | Whole | None = None
    thread_id: Text | Whole | None = None
    account_number: Text | Whole | None = None
    campaign_type: Text | None = None
    campaign_type_id: Text | Whole | None = None
    call_start_time: Text | Whole | None = None
    carrier: Text | None = None


class EmailAttemptData(_MessageData):
    """An outbound email was attempted or delivered, or had another outcome."""

    from_email: Text | None = None
    to_email: Text | None = None


class SmsAttemptData(_MessageData):
    """An outbound SMS was attempted or delivered, or had another outcome."""

    phone_number: Text | None = None
    sms_code: Text | Whole | None = None


class ZoneRecords(Struct, kw_only=True, gc=False, omit_defaults=True):
    """A campaign's records by time zone. Other zones are never shown, so they are not read."""

    AL: Count | None = None
    AT: Count | None = None
    CHT: Count | None = None
    CT: Count | None = None
    ET: Count | None = None
    HI: Count | None = None
    MT: Count | None = None
    PT: Count | None = None
    SAFE: Count | None = None
    UK: Count | None = None
    GU: Count | None = None


class CampaignUpdateData(_Data):
    """A campaign's counts or state changed. Counts that are not sent stay the same."""

    campaign: EntityRef
    service: EntityRef | None = None
    name: Text | None = None
    state: Text | None = None
    uploaded: Count | None = None
    loaded: Count | None = None
    completed: Count | None = None
    remaining: Count | None = None
    dialable: Count | None = None
    timezones: ZoneRecords | None = None


AlertStatus = Literal["ok", "pending", "firing", "acknowledged"]


class AlertTransitionData(_Data):
    """An alert's status changed. It counts only if ``follows`` identifies the last change.

    ``follows`` is the entry of the alert's last change, or the configuration's entry if the alert
    has not changed yet. ``value`` is the figure's value. It is None outside the rule's hours, or if
    there are too few calls to evaluate the rule. ``acknowledged_by`` is a user's name.
    ``public_id`` is the alert's id for users and receivers if this change is the first since the
    alert was ok; it is empty in an earlier release's changes, whose id is ``alert``.
    """

    alert: str
    name: str
    figure: str
    service: int | None
    status: AlertStatus
    follows: int
    threshold: float
    above: bool
    value: int | float | None = None
    acknowledged_by: str | None = None
    to: tuple[str, ...] = ()
    public_id: str = ""
