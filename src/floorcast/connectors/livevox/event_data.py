"""Creates the ``data`` of events from the feeds of the Real-Time Reporting API. No I/O.

Missing members and members of the wrong type are omitted. Services, agents and campaigns keep their
ids from the followed server.
"""

from __future__ import annotations

from datetime import datetime

from floorcast.client.events import (
    AgentEvent,
    CallDisposition,
    CallStart,
    CallTermination,
    Email,
    Interaction,
    Sms,
)
from floorcast.model.leap_seconds import replace_leap_second

__all__ = [
    "agent_state",
    "call_disposition",
    "call_end",
    "call_start",
    "epoch_ms",
    "message",
    "without_none",
]

DIRECTIONS = frozenset({"INBOUND", "OUTBOUND", "MANUAL"})
_NULL = "null"  # the API's value for an unknown areaCodeState or zipCode in a disposition

Data = dict[str, object]


def without_none(**members: object) -> Data:
    """Return the members that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def epoch_ms(text: str | None) -> int | None:
    """Return a time from the interaction feed in ms.

    Returns None if the time is invalid, has no zone, or is before 1970.
    """
    try:
        moment = datetime.fromisoformat(replace_leap_second(text or ""))
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    try:
        # add half a microsecond, because a float of seconds may be off by that much
        found = int(moment.timestamp() * 1000 + 0.0005)
    except OverflowError:
        return None
    return found if found >= 0 else None


def agent_state(event: AgentEvent, direction: str | None) -> Data:
    """Return the data of ``agent.state``. ``direction`` is the current call's, if known."""
    call = without_none(
        transactionId=event.transaction_id,
        sessionId=event.session_id,
        service=event.call_service_id,
        phoneNumber=event.phone_number,
        account=event.account,
        campaignType=event.campaign_type,
    )
    if event.transaction_id is not None and direction is not None:
        call["direction"] = direction
    supervisor = without_none(
        sessionId=event.supervisor_session_id, phoneNumber=event.supervisor_phone_number
    )
    return without_none(
        agent=event.agent_id if event.agent_id is not None else event.agent_login_id,
        eventType=event.event_type,
        service=event.agent_service_id,
        team=event.agent_team_id,
        lineNumber=event.line_number,
        reason=event.not_ready_reason_code,
        call=call or None,
        result=event.result,
        agent2=event.agent2_id,
        supervisor=supervisor or None,
    )


def call_start(event: CallStart) -> Data:
    """Return the data of ``call.start``, or of ``call.update`` without a service or a direction."""
    return without_none(**_call(event), direction=direction_of(event))


def call_end(event: CallTermination) -> Data:
    """Return the data of ``call.end``, with all values that the other server derived."""
    skill = event.agent_skill_id
    return without_none(
        **_call(event),
        callDirection=direction_of(event),
        lvResult=event.lv_result,
        lvResultId=event.lv_result_id,
        roundedIvrDuration=event.rounded_ivr_duration,
        transferHoldDuration=event.transfer_hold_duration,
        duration=event.duration,
        operatorTransfer=event.operator_transfer,
        operatorTransferSuccessful=event.operator_transfer_successful,
        serviceLevelThreshold=event.service_level_threshold,
        agentId=event.agent_id,
        agentLoginId=event.agent_login_id,
        agentSkillId=skill or None,
        start=event.start if epoch_ms(event.start) is not None else None,
        end=event.end if epoch_ms(event.end) is not None else None,
    )


def call_disposition(event: CallDisposition) -> Data:
    """Return the data of ``call.disposition``."""
    return without_none(
        transactionId=event.transaction_id,
        sessionId=event.session_id,
        termCode=event.term_code,
        agent=event.agent_id,
        account=event.account,
        agentActionType=event.agent_action_type,
        callOutcome1=event.call_outcome1,
        callOutcome2=event.call_outcome2,
        callOutcome3=event.call_outcome3,
    )


def message(event: Email | Sms) -> Data:
    """Return the data of ``email.attempt`` or ``sms.attempt``."""
    specific = (
        without_none(fromEmail=event.from_email, toEmail=event.to_email)
        if isinstance(event, Email)
        else without_none(phoneNumber=event.phone_number, smsCode=event.sms_code)
    )
    return specific | without_none(
        service=event.service_id,
        eventType=event.event_type,
        campaign=event.campaign_id,
        sessionId=event.session_id,
        acctTransactionId=event.acct_transaction_id,
        threadId=event.thread_id,
        accountNumber=event.account_number,
        campaignType=event.campaign_type,
        campaignTypeId=event.campaign_type_id,
        callStartTime=event.call_start_time,
        carrier=event.carrier,
    )


def direction_of(event: CallStart) -> str | None:
    """Return the call's direction, or None if floorcast does not know that direction."""
    value = (event.call_direction or "").upper()
    return value if value in DIRECTIONS else None


def _call(event: CallStart) -> Data:
    return without_none(
        transactionId=event.transaction_id,
        sessionId=event.session_id,
        service=event.service_id,
        campaign=event.campaign_id,
        campaignType=event.campaign_type,
        phoneDialed=event.phone_dialed,
        callerId=event.caller_id,
        account=event.account,
        operatorPhone=event.operator_phone,
        areaCodeState=_text(event.area_code_state),
        zipCode=_text(event.zip_code),
        phonePosition=event.phone_position,
        priority=event.priority,
    )


def _text(value: str | None) -> str | None:
    return None if value == _NULL else value


VOICE: tuple[type[Interaction], ...] = (CallStart, CallDisposition)
"""The classes of call events. CallTermination is a subclass of CallStart."""
