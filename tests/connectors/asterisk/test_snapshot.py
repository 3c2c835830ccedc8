"""Tests of the comparison with Asterisk after a lost connection."""

from __future__ import annotations

from typing import Any

from floorcast.client import CloudEvent
from floorcast.connectors.asterisk.dialect import ASTERISK
from floorcast.connectors.asterisk.frames import AmiFrame
from floorcast.connectors.asterisk.snapshot import AsteriskSnapshot, missed_events
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import AgentConnected, PbxEvent, QueueJoined
from floorcast.connectors.pbx.state import PbxState, Phase

Events = list[dict[str, Any]]

CONFIG = MappingConfig()
ANNA = {"Queue": "sales", "Name": "Anna", "Location": "PJSIP/1", "Status": "1"}
JOINED = QueueJoined(at=100.0, caller="1.0", queue="sales")
CONNECTED = AgentConnected(at=110.0, caller="1.0", queue="sales", agent="Anna", leg="1.1")


def compare(
    *before: PbxEvent, started: str = "noon", **now: list[AmiFrame]
) -> tuple[PbxState, list[dict[str, Any]]]:
    """Return the state after a comparison at 200 s, and the resulting events."""
    state = PbxState()
    mapper = PbxEventMapper(CONFIG, ASTERISK, state, reports_hangups=True)
    for pbx_event in before:
        mapper.apply(pbx_event)
    snapshot = AsteriskSnapshot(at=200.0, started="noon", **now)
    events: list[CloudEvent] = []
    for pbx_event in missed_events(snapshot, state, CONFIG, started):
        events += mapper.apply(pbx_event)
    events += mapper.advance(300.0)
    return state, [{"type": e.type, "at": e.time.timestamp(), **e.data} for e in events]


def event_times(events: Events) -> list[tuple[str, float]]:
    return [(str(one.get("eventType", one["type"])), float(one["at"])) for one in events]


def test_a_call_that_began_during_the_outage_has_its_join_time() -> None:
    """A new call joined before the snapshot by the number of seconds in its Wait field."""
    entry = {"Queue": "sales", "Uniqueid": "1.0", "Wait": "30", "CallerIDNum": "512"}
    _, events = compare(entries=[entry], channels=[{"Uniqueid": "1.0"}])
    assert event_times(events) == [("call.start", 170.0), ("call.queue", 170.0)]
    assert events[0]["callerId"] == "512"


def test_a_call_that_is_still_waiting_causes_no_event() -> None:
    """A call that is still waiting causes no event."""
    entry = {"Queue": "sales", "Uniqueid": "1.0", "Wait": "100"}
    assert compare(JOINED, entries=[entry], channels=[{"Uniqueid": "1.0"}])[1] == []


def test_missing_calls_end_at_the_best_known_time() -> None:
    """A missing call ended with the agent's last call if known, or else at the last input."""
    assert event_times(compare(JOINED)[1]) == [("call.end", 100.0)]
    state, events = compare(JOINED, CONNECTED, members=[{**ANNA, "LastCall": "150"}])
    assert [one for one in event_times(events) if one[0] in {"WRAP_UP", "call.end"}] == [
        ("WRAP_UP", 150.0),
        ("call.end", 150.0),
    ]
    assert {one.phase for one in state.calls.values()} == {Phase.ENDED}


def test_a_conversation_is_found_by_its_bridge() -> None:
    """Conversations are found for a call that was waiting and for an unknown call."""
    leg = {"Uniqueid": "1.1", "Channel": "PJSIP/1-0001", "BridgeId": "b", "Duration": "00:00:50"}
    caller = {"Uniqueid": "1.0", "Channel": "PJSIP/t-1", "BridgeId": "b"}
    state, events = compare(JOINED, members=[ANNA], channels=[leg, caller])
    assert ("IN_CALL", 150.0) in event_times(events)
    assert state.calls["1.0"].phase is Phase.TALKING
    queue = {**caller, "Application": "Queue", "ApplicationData": "sales,,,,30"}
    _, events = compare(members=[ANNA], channels=[leg, queue])
    assert [one for one in event_times(events) if one[0] in {"call.queue", "IN_CALL"}] == [
        ("call.queue", 150.0),
        ("IN_CALL", 150.0),
    ]


def test_a_call_still_with_the_same_agent_causes_no_event() -> None:
    """A call that is still with the same agent causes no event."""
    leg = {"Uniqueid": "1.1", "Channel": "PJSIP/1-0001", "BridgeId": "b", "Duration": "00:01:30"}
    caller = {"Uniqueid": "1.0", "Channel": "PJSIP/t-1", "BridgeId": "b"}
    anna = {**ANNA, "Status": "2"}
    state, events = compare(JOINED, CONNECTED, members=[anna], channels=[leg, caller])
    assert events == []
    assert state.agents["Anna"].call == "1.0"


def test_a_caller_in_no_queue_or_bridge_leaves() -> None:
    """A caller whose channel is up, but in no queue or bridge, has moved on."""
    up = [{"Uniqueid": "1.0", "Channel": "PJSIP/t-1"}]
    assert event_times(compare(JOINED, channels=up)[1]) == [("call.leave", 100.0)]
    state, events = compare(JOINED, CONNECTED, members=[ANNA], channels=up)
    assert ("call.leave", 110.0) in event_times(events)
    assert state.agents["Anna"].call == ""


def test_a_restart_ends_all_earlier_calls() -> None:
    """Earlier calls ended at the time of the last input, and members log on again."""
    state, events = compare(JOINED, CONNECTED, started="eleven", members=[ANNA])
    assert ("call.end", 110.0) in event_times(events)
    assert [one for one, _ in event_times(events)][-3:] == ["LOGOFF", "LOGON", "READY"]
    assert {one.phase for one in state.calls.values()} == {Phase.ENDED}


def test_agent_states_have_their_start_times() -> None:
    """An agent's state begins at the login, pause or last call that the queue reports."""
    anna = {**ANNA, "LoginTime": "50", "LastPause": "90", "LastCall": "70", "Paused": "1"}
    _, events = compare(members=[{**anna, "PausedReason": "LUNCH"}, {"Queue": "nobody"}])
    assert event_times(events) == [("LOGON", 50.0), ("NOT_READY", 90.0)]


def test_a_telephone_that_began_to_ring_during_the_outage_reserves_its_agent() -> None:
    """Its channel is linked to the caller who waits, and does not report yet that it rings."""
    entry = {"Queue": "sales", "Uniqueid": "1.0", "Wait": "100"}
    leg = {"Uniqueid": "1.1", "Channel": "PJSIP/1-00000001", "Linkedid": "1.0", "ChannelState": "5"}
    for more, expected in (
        ({}, [("LOGON", 200.0), ("READY", 200.0), ("RESERVED", 200.0)]),
        ({"ChannelState": "0"}, [("LOGON", 200.0), ("READY", 200.0), ("RESERVED", 200.0)]),
        ({"ChannelState": "6"}, [("LOGON", 200.0), ("READY", 200.0)]),
        ({"Linkedid": "1.1"}, [("LOGON", 200.0), ("READY", 200.0)]),
    ):
        channels = [{"Uniqueid": "1.0"}, {**leg, **more}]
        members = [{**ANNA, "Status": "6"}]
        _, events = compare(JOINED, members=members, entries=[entry], channels=channels)
        assert event_times(events) == expected
