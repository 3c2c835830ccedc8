"""The voice events of the interaction feed, made from what a source sent and the floor knows.

What the source does not send, the floor derives (section 3 of the contract):
``transferHoldDuration`` the wait in queue, ``duration`` from answer (else start) to end,
``operatorTransfer`` 1 when offered, ``operatorTransferSuccessful`` 1 when handled,
``roundedIvrDuration`` 0 for a call that was answered, else null,
``serviceLevelThreshold`` the service's ``sla_seconds``; whole seconds, rounded down.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET

from floorcast.floor.calls import Call
from floorcast.floor.days import utc_stamp
from floorcast.floor.directory import NO_SERVICE, Directory
from floorcast.model.inbound import (
    CallDispositionData,
    CallEndData,
    CallStartData,
    milliseconds,
)
from floorcast.model.outbound import CallDispositionEvent, CallStartEvent, CallTerminationEvent

__all__ = ["Named", "call_disposition", "call_start", "call_termination", "prefer_sent"]

_SENT_TEXTS = (
    "account",
    "area_code_state",
    "caller_id",
    "campaign_type",
    "operator_phone",
    "phone_dialed",
    "zip_code",
)
_SENT_AS_IS = ("phone_position", "priority")


class Named:
    """The ids and names that every voice event of a call carries."""

    __slots__ = ("agent", "call_center", "login", "service")

    def __init__(self, call: Call, directory: Directory, agent: int | None = None) -> None:
        present = call.present_service
        self.service = None if present == NO_SERVICE else present
        self.call_center = directory.call_center_of(self.service)
        self.agent = call.agent if agent is None else agent
        known = None if self.agent is None else directory.agents.get(self.agent)
        self.login = None if known is None else known.login


def call_start(client: int, call: Call, at: int, event_id: str, named: Named) -> CallStartEvent:
    """A call began."""
    began = utc_stamp(at)
    return CallStartEvent(
        event_id=event_id,
        transaction_id=call.transaction,
        client_id=client,
        service_id=named.service,
        call_center_id=named.call_center,
        session_id=call.session,
        campaign_id=call.campaign,
        phone_dialed=call.phone_dialed,
        account=call.account,
        operator_phone=call.operator_phone,
        area_code_state=call.area_code_state,
        call_direction=call.direction,
        campaign_type=call.campaign_type,
        agent_login_id=named.login,
        agent_id=None if named.agent is None else str(named.agent),
        start=began,
        timestamp=began,
        caller_id=UNSET if call.caller_id is None else call.caller_id,
        phone_position=UNSET if call.phone_position is None else call.phone_position,
        priority=UNSET if call.priority is None else call.priority,
        zip_code=UNSET if call.zip_code is None else call.zip_code,
    )


def call_termination(
    client: int,
    call: Call,
    data: CallEndData,
    at: int,
    event_id: str,
    named: Named,
    threshold: int | None,
) -> CallTerminationEvent:
    """A call ended; what the source says wins over what is derived."""
    begin = call.first_answer if call.first_answer is not None else call.started
    waited = call.waited(at) // 1000
    talked = None if begin is None else max(at - begin, 0) // 1000
    skill = data.agent_skill_id if data.agent_skill_id is not None else call.skill
    login = named.login if data.agent_login_id is None else data.agent_login_id
    handled = int(call.first_answer is not None)
    ended = utc_stamp(at)
    return CallTerminationEvent(
        event_id=event_id,
        transaction_id=call.transaction,
        client_id=client,
        service_id=named.service,
        call_center_id=named.call_center,
        session_id=call.session,
        campaign_id=call.campaign,
        phone_dialed=call.phone_dialed,
        account=call.account,
        operator_phone=call.operator_phone,
        area_code_state=call.area_code_state,
        call_direction=call.direction,
        campaign_type=call.campaign_type,
        agent_login_id=login,
        agent_id=None if named.agent is None else str(named.agent),
        start=_moment(data.start, call.started),
        end=_moment(data.end, None) or ended,
        timestamp=ended,
        caller_id=call.caller_id,
        service_level_threshold=(
            threshold if data.service_level_threshold is None else data.service_level_threshold
        ),
        transfer_hold_duration=_said(data.transfer_hold_duration, waited),
        rounded_ivr_duration=(
            data.rounded_ivr_duration if data.rounded_ivr_duration is not None or not handled else 0
        ),
        duration=data.duration if data.duration is not None else talked,
        agent_skill_id="" if skill is None else skill,
        lv_result_id=data.lv_result_id,
        priority=call.priority,
        lv_result=data.lv_result,
        operator_transfer_successful=_said(data.operator_transfer_successful, handled),
        operator_transfer=_said(data.operator_transfer, int(bool(call.segments))),
        phone_position=UNSET if call.phone_position is None else call.phone_position,
        zip_code=UNSET if call.zip_code is None else call.zip_code,
    )


def prefer_sent(
    fed: CallStartEvent | CallTerminationEvent,
    data: CallStartData | CallEndData,
    direction: str | None,
    directory: Directory,
) -> None:
    """Put the members that a late event sent into its feed event.

    The call itself keeps what later events told of it.
    """
    for name in _SENT_TEXTS:
        if (text := getattr(data, name)) is not None:
            setattr(fed, name, str(text))
    for name in _SENT_AS_IS:
        if (value := getattr(data, name)) is not None:
            setattr(fed, name, value)
    if direction is not None:
        fed.call_direction = str(direction)
    if data.campaign is not None:
        fed.campaign_id = directory.campaign(data.campaign)


def call_disposition(
    client: int, call: Call, data: CallDispositionData, at: int, event_id: str, named: Named
) -> CallDispositionEvent:
    """A term code was set."""
    return CallDispositionEvent(
        event_id=event_id,
        transaction_id=call.transaction,
        client_id=client,
        service_id=named.service,
        call_center_id=named.call_center,
        session_id=call.session,
        campaign_id=call.campaign,
        phone_dialed=call.phone_dialed,
        account=data.account if data.account is not None else call.account,
        area_code_state="null" if call.area_code_state is None else call.area_code_state,
        zip_code="null" if call.zip_code is None else call.zip_code,
        start=_moment(None, call.started),
        timestamp=utc_stamp(at),
        agent_id=None if named.agent is None else str(named.agent),
        term_code=data.term_code,
        agent_action_type=data.agent_action_type,
        call_outcome1=data.call_outcome1,
        call_outcome2=data.call_outcome2,
        call_outcome3=data.call_outcome3,
    )


def _said(said: int | None, derived: int) -> int:
    return derived if said is None else said


def _moment(said: datetime | None, known: int | None) -> str | None:
    if said is not None:
        return utc_stamp(milliseconds(said))
    return None if known is None else utc_stamp(known)
