"""Tests of the tolerant types for events from any server."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, structs, to_builtins

from floorcast.client import events
from floorcast.client.events import (
    AgentEvent,
    CallDisposition,
    CallStart,
    CallTermination,
    Email,
    Interaction,
    Sms,
    event_id,
    read_agent_event,
    read_interaction,
)
from floorcast.model import outbound
from floorcast.model.errors import UnexpectedAnswer

KINDS: dict[type[Struct], type[Struct]] = {
    outbound.AgentEvent: AgentEvent,
    outbound.CallStartEvent: CallStart,
    outbound.CallTerminationEvent: CallTermination,
    outbound.CallDispositionEvent: CallDisposition,
    outbound.EmailEvent: Email,
    outbound.SmsEvent: Sms,
}


@pytest.mark.parametrize("ours", KINDS, ids=lambda kind: kind.__name__)
def test_event_types_have_every_member_of_the_feed(ours: type[Struct]) -> None:
    """Names are equal, and each member is None if it is not sent."""
    sent = {field.encode_name for field in structs.fields(ours)}
    known = {field.encode_name for field in structs.fields(KINDS[ours])}
    assert sent <= known
    assert set(to_builtins(KINDS[ours]()).values()) == {None}


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"interactionType": "VOICE", "callEventType": "CALL_START"}, CallStart),
        ({"interactionType": "VOICE", "callEventType": "CALL_TERMINATION"}, CallTermination),
        ({"interactionType": "VOICE", "callEventType": "CALL_DISPOSITION"}, CallDisposition),
        ({"interactionType": "VOICE", "callEventType": "CALL_PARKED"}, Interaction),
        ({"interactionType": "Email"}, Email),
        ({"interactionType": "EMAIL"}, Email),
        ({"interactionType": "SMS"}, Sms),
        ({"interactionType": "Chat", "chatId": 5}, Interaction),
        ({}, Interaction),
    ],
)
def test_interaction_type_selects_the_class(
    members: dict[str, object], kind: type[Interaction]
) -> None:
    """An interaction of an unknown type is still an interaction, not an error."""
    found = read_interaction(json.dumps(members).encode())
    assert type(found) is kind
    assert found.interaction_type == members.get("interactionType")


def test_ids_become_numbers_and_texts_become_strings() -> None:
    """The reference prints ids as strings for Email and SMS, and as numbers for calls."""
    raw = (
        b'{"interactionType": "SMS", "clientId": "93119", "phoneNumber": 4154164061, "smsCode": 5}'
    )
    found = read_interaction(raw)
    assert isinstance(found, Sms)
    assert (found.client_id, found.phone_number, found.sms_code) == (93119, "4154164061", "5")


def test_member_of_wrong_type_is_none_and_others_are_kept() -> None:
    """An unexpected member must not cause the event to be lost or stop the feed."""
    raw = b'{"timestamp": "yesterday", "agentId": {"id": 1}, "eventType": "READY", "seqNum": 3}'
    assert read_agent_event(raw) == AgentEvent(event_type="READY", seq_num=3)


TEXT = st.text("a1 -é", max_size=9)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
NAMES = sorted({field.encode_name for one in KINDS.values() for field in structs.fields(one)})


@given(
    st.dictionaries(st.sampled_from(NAMES), JSON),
    st.sampled_from(["VOICE", "SMS", "Email"]),
    st.sampled_from(["CALL_START", "CALL_TERMINATION", "CALL_DISPOSITION"]),
)
def test_any_object_is_an_event(members: dict[str, object], kind: str, call: str) -> None:
    """Any object is an event, whatever its members are."""
    raw = json.dumps({**members, "interactionType": kind, "callEventType": call}).encode()
    assert isinstance(read_interaction(raw), Interaction)
    assert isinstance(read_agent_event(raw), AgentEvent)
    assert isinstance(event_id(raw), str)


@pytest.mark.parametrize("raw", [b"", b"[]", b"3", b'{"eventId": ', b'"x"', b'{"eventId": "\xff"}'])
def test_event_that_is_not_an_object_is_an_error(raw: bytes) -> None:
    """It cannot be skipped, because it may have been an event."""
    for read in (read_agent_event, read_interaction, events.event_id):
        with pytest.raises(UnexpectedAnswer, match="not a JSON object"):
            read(raw)
