"""The events of the feeds, as tolerant types.

A member that is missing or has the wrong type is None. Unknown members are omitted; ``Feed.json``
has the complete event. Ids are always numbers. Times are as the server sends them: text, or a
number of milliseconds.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, structs

from floorcast.model.errors import UnexpectedAnswer
from floorcast.model.undecodable import UNDECODABLE

__all__ = [
    "AgentEvent",
    "CallDisposition",
    "CallStart",
    "CallTermination",
    "Email",
    "Interaction",
    "Sms",
    "event_id",
    "read_agent_event",
    "read_interaction",
]

E = TypeVar("E", bound=Struct)


class AgentEvent(Struct, rename="camel", kw_only=True, frozen=True):
    """An agent's entry into a state.

    ``timestamp`` is in ms, and ``seq_num`` counts the agent's events.
    """

    timestamp: int | None = None
    client_id: int | None = None
    agent_id: int | None = None
    agent_service_id: int | None = None
    agent_team_id: int | None = None
    agent_login_id: str | None = None
    line_number: str | None = None
    event_type: str | None = None
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
    seq_num: int | None = None
    event_id: str | None = None


class Interaction(Struct, rename="camel", kw_only=True, frozen=True):
    """The members that all interactions have.

    An event of a type that this release does not know has only these members.
    """

    event_id: str | None = None
    interaction_type: str | None = None
    client_id: int | None = None
    service_id: int | None = None
    call_center_id: int | None = None
    campaign_id: int | None = None
    campaign_type: str | None = None
    session_id: str | None = None
    timestamp: str | None = None


class _Voice(Interaction, kw_only=True, frozen=True):
    call_event_type: str | None = None
    transaction_id: int | None = None
    phone_dialed: str | None = None
    account: str | None = None
    area_code_state: str | None = None
    zip_code: str | None = None
    agent_id: int | None = None
    start: str | None = None


class CallStart(_Voice, kw_only=True, frozen=True):
    """The start of a call."""

    operator_phone: str | None = None
    call_direction: str | None = None
    agent_login_id: str | None = None
    caller_id: str | None = None
    phone_position: str | None = None
    priority: int | None = None


class CallTermination(CallStart, kw_only=True, frozen=True):
    """The end of a call. Durations are in seconds."""

    end: str | None = None
    service_level_threshold: int | None = None
    transfer_hold_duration: int | None = None
    rounded_ivr_duration: int | None = None
    duration: int | None = None
    agent_skill_id: str | None = None
    lv_result_id: int | None = None
    lv_result: str | None = None
    operator_transfer_successful: int | None = None
    operator_transfer: int | None = None


class CallDisposition(_Voice, kw_only=True, frozen=True):
    """The term code that an agent has set for a call."""

    term_code: str | None = None
    agent_action_type: str | None = None
    call_outcome1: str | None = None
    call_outcome2: str | None = None
    call_outcome3: str | None = None


class _Message(Interaction, kw_only=True, frozen=True):
    acct_transaction_id: str | None = None
    event_type: str | None = None
    thread_id: str | None = None
    account_number: str | None = None
    campaign_type_id: int | None = None
    carrier: str | None = None
    call_start_time: int | None = None


class Email(_Message, kw_only=True, frozen=True):
    """An event about an outbound email, such as its attempt or delivery."""

    from_email: str | None = None
    to_email: str | None = None


class Sms(_Message, kw_only=True, frozen=True):
    """An event about an outbound SMS, such as its attempt or delivery."""

    phone_number: str | None = None
    sms_code: str | None = None


_CALLS: dict[str, type[Interaction]] = {
    "CALL_START": CallStart,
    "CALL_TERMINATION": CallTermination,
    "CALL_DISPOSITION": CallDisposition,
}
_MESSAGES: dict[str, type[Interaction]] = {"EMAIL": Email, "SMS": Sms}


def read_agent_event(raw: bytes) -> AgentEvent:
    """Read an event of the agent feed. Raises UnexpectedAnswer if it is not a JSON object."""
    return _read(_members(raw), AgentEvent)


def read_interaction(raw: bytes) -> Interaction:
    """Read an event of the interaction feed. Raises UnexpectedAnswer if it is not a JSON object."""
    members = _members(raw)
    kind = str(members.get("interactionType")).upper()
    if kind == "VOICE":
        return _read(members, _CALLS.get(str(members.get("callEventType")), Interaction))
    return _read(members, _MESSAGES.get(kind, Interaction))


def event_id(raw: bytes) -> str:
    """Return the event's ``eventId``, or an empty string if it has none.

    Raises UnexpectedAnswer if the event is not a JSON object.
    """
    found = _members(raw).get("eventId")
    return found if isinstance(found, str) else ""


def _members(raw: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except UNDECODABLE as error:
        raise UnexpectedAnswer(f"an event of the feed is not a JSON object: {error}") from None


def _read(members: dict[str, Any], kind: type[E]) -> E:
    try:
        return msgspec.convert(members, kind, strict=False)
    except msgspec.ValidationError:
        converted = {
            field.encode_name: _convert_member(members[field.encode_name], field.type)
            for field in structs.fields(kind)
            if field.encode_name in members
        }
        return msgspec.convert(converted, kind, strict=False)


def _convert_member(value: object, kind: Any) -> object:  # noqa: ANN401 — a type as msgspec names it
    """Return the value, or a value parsed from its text, with the expected type; otherwise None."""
    if isinstance(value, dict | list):
        return None
    for attempt in (value, str(value)):
        with suppress(msgspec.ValidationError):
            converted: object = msgspec.convert(attempt, kind, strict=False)
            return converted
    return None
