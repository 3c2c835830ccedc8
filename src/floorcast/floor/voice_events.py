"""The voice events of the interaction feed.

Members that the source does not send are derived (section 3 of the contract). Durations are in
whole seconds, rounded down.

- ``transferHoldDuration`` is the wait in queues.
- ``duration`` is the time from the answer (or else the start) to the end.
- ``operatorTransfer`` is 1 if the call was offered, otherwise 0.
- ``operatorTransferSuccessful`` is 1 if the call was handled, otherwise 0.
- ``roundedIvrDuration`` is 0 if the call was answered, otherwise null.
- ``serviceLevelThreshold`` is the service's ``sla_seconds``.
"""

from __future__ import annotations

from datetime import datetime

from floorcast.floor.calls import Call
from floorcast.floor.days import utc_stamp
from floorcast.floor.directory import NO_SERVICE, Directory
from floorcast.model.inbound import milliseconds
from floorcast.model.inbound_data import CallDispositionData, CallEndData, CallStartData
from floorcast.model.outbound import CallDispositionEvent, CallStartEvent, CallTerminationEvent

__all__ = ["Attribution", "call_disposition", "call_start", "call_termination", "prefer_sent"]

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


class Attribution:
    """The ids and names that every voice event of a call carries."""

    __slots__ = ("agent", "call_center", "login", "service")

    def __init__(
        self,
        call: Call,
        directory: Directory,
        agent: int | None = None,
        service: int | None = None,
    ) -> None:
        """Use the event's ``agent`` and ``service``, or the call's current ones if None."""
        if service is None:
            current = call.current_service
            service = None if current == NO_SERVICE else current
        self.service = service
        self.call_center = directory.call_center_of(service)
        self.agent = agent = call.agent if agent is None else agent
        known = None if agent is None else directory.agents.get(agent)
        self.login = None if known is None else known.login


# The events are built with positional arguments. With more than 15 keyword arguments, Python 3.11
# builds a dictionary of them first, which takes five times as long as everything else.


def call_start(
    client: int, call: Call, at: int, event_id: str, attribution: Attribution
) -> CallStartEvent:
    """Return the event for the start of a call."""
    began = utc_stamp(at)
    feed_event = CallStartEvent(
        event_id,
        "CALL_START",
        "VOICE",
        call.transaction,
        client,
        attribution.service,
        attribution.call_center,
        call.session,
        call.campaign,
        call.phone_dialed,
        call.account,
        call.operator_phone,
        call.area_code_state,
        call.direction,
        call.campaign_type,
        attribution.login,
        None if attribution.agent is None else str(attribution.agent),
        began,  # start
        began,  # timestamp
    )
    if call.caller_id is not None:
        feed_event.caller_id = call.caller_id
    if call.phone_position is not None:
        feed_event.phone_position = call.phone_position
    if call.priority is not None:
        feed_event.priority = call.priority
    if call.zip_code is not None:
        feed_event.zip_code = call.zip_code
    return feed_event


def call_termination(
    client: int,
    call: Call,
    data: CallEndData,
    at: int,
    event_id: str,
    attribution: Attribution,
    threshold: int | None,
) -> CallTerminationEvent:
    """Return the event for the end of a call. The source's values override derived ones."""
    answered = call.first_answer
    begin = call.started if answered is None else answered
    handled = 0 if answered is None else 1
    ended = utc_stamp(at)
    duration = data.duration
    if duration is None and begin is not None:
        duration = max(at - begin, 0) // 1000
    feed_event = CallTerminationEvent(
        event_id,
        "CALL_TERMINATION",
        "VOICE",
        call.transaction,
        client,
        attribution.service,
        attribution.call_center,
        call.session,
        call.campaign,
        call.phone_dialed,
        call.account,
        call.operator_phone,
        call.area_code_state,
        call.direction,
        call.campaign_type,
        attribution.login if data.agent_login_id is None else data.agent_login_id,
        None if attribution.agent is None else str(attribution.agent),
        _moment(data.start, call.started),
        ended if data.end is None else utc_stamp(milliseconds(data.end)),
        ended,  # timestamp
        call.caller_id,
        threshold if data.service_level_threshold is None else data.service_level_threshold,
        _sent_or(data.transfer_hold_duration, call.waited(at) // 1000),
        data.rounded_ivr_duration if data.rounded_ivr_duration is not None or not handled else 0,
        duration,
        _skill(data, call),
        data.lv_result_id,
        call.priority,
        data.lv_result,
        _sent_or(data.operator_transfer_successful, handled),
        _sent_or(data.operator_transfer, 1 if call.segments else 0),
    )
    if call.phone_position is not None:
        feed_event.phone_position = call.phone_position
    if call.zip_code is not None:
        feed_event.zip_code = call.zip_code
    return feed_event


def prefer_sent(
    feed_event: CallStartEvent | CallTerminationEvent,
    data: CallStartData | CallEndData,
    direction: str | None,
    directory: Directory,
) -> None:
    """Copy the members that a late event contains to its event in the feed.

    The call itself keeps the members that later events have set.
    """
    for name in _SENT_TEXTS:
        if (text := getattr(data, name)) is not None:
            setattr(feed_event, name, str(text))
    for name in _SENT_AS_IS:
        if (value := getattr(data, name)) is not None:
            setattr(feed_event, name, value)
    if direction is not None:
        feed_event.call_direction = str(direction)
    if data.campaign is not None:
        feed_event.campaign_id = directory.campaign(data.campaign)


def call_disposition(
    client: int,
    call: Call,
    data: CallDispositionData,
    at: int,
    event_id: str,
    attribution: Attribution,
) -> CallDispositionEvent:
    """Return the event for a term code that was set."""
    return CallDispositionEvent(
        event_id,
        "CALL_DISPOSITION",
        "VOICE",
        call.transaction,
        client,
        attribution.service,
        attribution.call_center,
        call.session,
        call.campaign,
        call.phone_dialed,
        data.account if data.account is not None else call.account,
        "null" if call.area_code_state is None else call.area_code_state,
        "null" if call.zip_code is None else call.zip_code,
        _moment(None, call.started),
        utc_stamp(at),
        None if attribution.agent is None else str(attribution.agent),
        data.term_code,
        data.agent_action_type,
        data.call_outcome1,
        data.call_outcome2,
        data.call_outcome3,
    )


def _skill(data: CallEndData, call: Call) -> str | int:
    known = call.skill if data.agent_skill_id is None else data.agent_skill_id
    return "" if known is None else known


def _sent_or(sent: int | None, derived: int) -> int:
    return derived if sent is None else sent


def _moment(sent: datetime | None, known: int | None) -> str | None:
    if sent is not None:
        return utc_stamp(milliseconds(sent))
    return None if known is None else utc_stamp(known)
