"""Tests that convert FreeSWITCH events to PBX events."""

from __future__ import annotations

import msgspec
import pytest

from floorcast.connectors.freeswitch.events import EslEventConverter, agent_status
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.pbx_events import (
    AgentConnected,
    AgentStatus,
    BridgeAnnounced,
    BridgeConfirmed,
    CallMissed,
    ChannelHungUp,
    ConversationEnded,
    HoldChanged,
    PbxEvent,
    QueueJoined,
    QueueLeft,
    Ringing,
)
from floorcast.connectors.pbx.unreadable import Unreadable
from tests.connectors.freeswitch.dialogues import (
    ANNA,
    EPOCH,
    SALES,
    Caller,
    callcenter,
    hangup,
    plain,
    state,
    status,
)
from tests.connectors.freeswitch.fake_esl import Event

READER = EslEventConverter(MappingConfig())
CALLER = Caller("u")
AT = EPOCH + 5.25


def to_pbx_event(event: Event, received: float = 9.0) -> PbxEvent | None:
    body = msgspec.json.encode(event)
    return READER.convert(READER.decode(body), body, received)


@pytest.mark.parametrize(
    ("event", "pbx_event"),
    [
        (
            CALLER.joins(AT)[0],
            QueueJoined(at=AT, caller="u", queue=SALES, number="15551234567", dialed="8000"),
        ),
        (CALLER.joins(AT)[1], None),
        (
            CALLER.is_offered(AT)[1],
            Ringing(at=AT + 0.002, caller="u", queue=SALES, agent=ANNA, leg=f"{ANNA}<u"),
        ),
        (
            CALLER.is_being_bridged(AT)[0],
            BridgeAnnounced(
                at=AT,
                connected=AgentConnected(at=AT, caller="u", queue=SALES, agent=ANNA, leg="leg-u"),
            ),
        ),
        (state(ANNA, "In a queue call", AT), BridgeConfirmed(at=AT, agent=ANNA)),
        (state(ANNA, "Waiting", AT), None),
        (
            CALLER.ends_talk(AT)[0],
            ConversationEnded(at=AT, caller="u", queue=SALES, agent=ANNA, by=""),
        ),
        (
            CALLER.ends_talk(AT, bridged=False)[0],
            CallMissed(
                at=AT, caller="u", queue=SALES, agent=ANNA, ring_seconds=0, reason="CANCELLED"
            ),
        ),
        (
            CALLER.is_not_answered(AT, "USER_BUSY")[0],
            CallMissed(at=AT, caller="u", queue=SALES, agent=ANNA, ring_seconds=7, reason="BUSY"),
        ),
        (CALLER.leaves(AT)[0], QueueLeft(at=AT, caller="u", queue=SALES)),
        (
            CALLER.leaves(AT, "EXIT_WITH_KEY", "9")[0],
            QueueLeft(at=AT, caller="u", queue=SALES, reason="KEY", key="9"),
        ),
        (
            CALLER.leaves(AT, "SOMETHING_NEW")[0],
            QueueLeft(at=AT, caller="u", queue=SALES, reason="OTHER"),
        ),
        (CALLER.hangs_up(AT, "recv_bye")[0], ChannelHungUp(at=AT, channel="u", by="caller")),
        (CALLER.hangs_up(AT, "send_cancel")[0], ChannelHungUp(at=AT, channel="u")),
        (plain("CHANNEL_HOLD", AT, Unique_ID="x"), HoldChanged(at=AT, channel="x", on=True)),
        (plain("HEARTBEAT", AT), None),
        (plain("CUSTOM", AT, Event_Subclass="sofia::register"), None),
        ({**hangup("x", AT), "Event-Date-Timestamp": "never"}, ChannelHungUp(at=9.0, channel="x")),
    ],
)
def test_events_become_the_expected_pbx_events(event: Event, pbx_event: PbxEvent | None) -> None:
    """A PBX event has the event's own time in microseconds or, without one, the time of arrival."""
    assert to_pbx_event(event) == pbx_event


@pytest.mark.parametrize(
    ("text", "present", "paused"),
    [
        ("Available", True, False),
        ("Available (On Demand)", True, False),
        ("On Break", True, True),
        ("Logged Out", False, False),
    ],
)
def test_a_status_tells_whether_an_agent_is_logged_in(
    text: str, *, present: bool, paused: bool
) -> None:
    """A status in an event and a status in a list are treated the same."""
    found = agent_status(ANNA, text, AT, MappingConfig())
    assert found == AgentStatus(at=AT, agent=ANNA, present=present, paused=paused)
    assert to_pbx_event(status(ANNA, text, AT)) == found


@pytest.mark.parametrize(
    ("event", "missing"),
    [
        (callcenter("member-queue-start", AT, CC_Queue=SALES), "CC-Member-Session-UUID"),
        (callcenter("agent-status-change", AT, CC_Agent=ANNA), "CC-Agent-Status"),
        (plain("CHANNEL_HANGUP_COMPLETE", AT), "Unique-ID"),
    ],
)
def test_an_event_without_a_required_header_is_unreadable(event: Event, missing: str) -> None:
    """An event without a required header raises an error that names the header."""
    with pytest.raises(Unreadable, match=f"without {missing}"):
        to_pbx_event(event)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"Event-Name": ["a"]}', b"\xff", b'{"Event-Name": "\xff"}', b"[" * 9999],
)
def test_an_invalid_body_is_rejected(body: bytes) -> None:
    """Any invalid body is rejected."""
    with pytest.raises(Unreadable):
        READER.decode(body)


def test_a_header_with_several_values_is_accepted() -> None:
    """A header with several values, which FreeSWITCH sends as an array, is accepted."""
    event: dict[str, object] = {**CALLER.joins(AT)[0], "variable_did": ["1", "2"]}
    body = msgspec.json.encode(event)
    reader = EslEventConverter(MappingConfig(did_variable="did"))
    pbx_event = reader.convert(reader.decode(body), body, 9.0)
    assert isinstance(pbx_event, QueueJoined)
    assert pbx_event.dialed == ""
