"""Tests that map the feeds' events to events with that server's ids and times."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.client.answers import WaitingCall
from floorcast.client.events import read_agent_event, read_interaction
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.inbound import InboundEvent
from tests.connectors.livevox.mapping_harness import NAMED, NOON, MappingHarness, iso, ms_after_noon
from tests.search import tries


def test_an_agent_event_keeps_its_fields() -> None:
    """An agent event keeps its id, its time and all fields that were sent, and gets no others."""
    (event,) = MappingHarness().agent(
        "NOT_READY",
        5,
        agentServiceId=5,
        agentTeamId=6,
        notReadyReasonCode="LUNCH",
        lineNumber="ACD",
    )
    assert (event.id, event.source, event.type, ms_after_noon(event)) == (
        "a1/5/NOT_READY",
        "other",
        "agent.state",
        5,
    )
    assert event.data == {
        "agent": 1,
        "eventType": "NOT_READY",
        "service": 5,
        "team": 6,
        "reason": "LUNCH",
        "lineNumber": "ACD",
    }


def test_an_inbound_call_waits_from_its_start_if_the_wait_times_match() -> None:
    """A call answered after 20.4 s with a wait of 20 s waited from its start."""
    harness = MappingHarness()
    harness.call("CALL_START", 0, start=iso(0))
    harness.agent("IN_CALL", 20_400, callServiceId=5, **NAMED)
    assert [one.type for one in harness.ended(80_000, 20)] == ["call.queue", "call.end"]
    assert harness.queues() == [(0, 5)]


@pytest.mark.parametrize(
    ("answered", "hold", "joined"), [(30_400, 20, 9_900), (30_000, 20, 10_000), (30_400, 0, 30_399)]
)
def test_a_wait_that_starts_later_has_the_reported_length(
    answered: int, hold: int, joined: int
) -> None:
    """Half a second is added if times have fractions. The wait always begins before the answer."""
    harness = MappingHarness()
    harness.call("CALL_START", 0, start=iso(0))
    harness.agent("IN_CALL", answered, callServiceId=5, **NAMED)
    harness.ended(80_000, hold)
    assert harness.queues() == [(joined, 5)]


def test_an_abandoned_call_waits_until_its_end() -> None:
    """A call that nobody answers waits until its end."""
    harness = MappingHarness()
    harness.call("CALL_START", 0, start=iso(0))
    harness.ended(40_000, 30, success=0)
    assert harness.queues() == [(10_000, 5)]
    assert not any(one.type == "call.answer" for one in harness.events)


def test_a_call_that_was_never_offered_has_no_wait() -> None:
    """A call whose caller hung up in the voice response unit did not wait."""
    harness = MappingHarness()
    harness.ended(40_000, 0, success=0, operatorTransfer=0)
    assert [one.type for one in harness.events] == ["call.end"]


def test_an_answer_without_an_agent_event_is_derived_from_the_end() -> None:
    """The answer time is the end time minus the call's duration."""
    harness = MappingHarness()
    harness.call("CALL_START", 0, start=iso(0))
    queue, answer, end = harness.ended(60_000, 10, duration=50, agentId="9")
    assert (answer.type, ms_after_noon(answer), answer.data["agent"]) == ("call.answer", 10_000, 9)
    assert (queue.type, ms_after_noon(queue), end.type) == ("call.queue", 0, "call.end")


@pytest.mark.parametrize(
    ("direction", "state", "queues"),
    [
        ("OUTBOUND", "READY", [(9_999, 5)]),
        ("OUTBOUND", "PREVIEW_DIAL_ACCEPTED", []),
        ("MANUAL", "READY", []),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_only_calls_dialed_for_a_ready_agent_wait(
    direction: str, state: str, queues: list[tuple[int, object]], *, late: bool
) -> None:
    """A call dialed for a ready agent waits, but a previewed or manual call does not.

    Either feed may be ahead of the other.
    """
    harness = MappingHarness()

    def start() -> None:
        harness.call("CALL_START", 0, start=iso(0), callDirection=direction)

    if not late:
        start()
    harness.agent(state, 5_000)
    harness.agent("IN_CALL", 10_000, callServiceId=5, **NAMED)
    if late:
        start()
    assert harness.queues() == queues
    harness.ended(20_000, 0, callDirection=direction)
    assert sorted(set(harness.queues())) == queues


def test_a_transferred_call_waits_again() -> None:
    """A transferred call waits at the other service from the time when the agent left it."""
    harness = MappingHarness()
    harness.call("CALL_START", 0, start=iso(0))
    harness.agent("IN_CALL", 3_000, callServiceId=5, **NAMED)
    harness.agent("TRANSFERRING", 10_000, callServiceId=5, **NAMED)
    harness.agent("WRAP_UP", 15_000)
    harness.agent("IN_CALL", 19_000, agent=2, callServiceId=6, **NAMED)
    harness.ended(60_000, 7, serviceId=6)
    assert harness.queues() == [(15_000, 6), (0, 5)]  # 4 of the 7 seconds belong to it


def test_a_call_end_keeps_the_values_derived_by_the_other_server() -> None:
    """An end has the values derived by the other server.

    Unknown directions and the text "null" are omitted.
    """
    harness = MappingHarness()
    end = harness.ended(
        9_000, 2, lvResult="x", lvResultId=4, callDirection="?", zipCode="null", agentSkillId=""
    )[-1]
    assert end.id == "CALL_TERMINATION/9000"
    assert end.data["transferHoldDuration"] == 2
    assert end.data["lvResult"] == "x"
    assert not {"callDirection", "zipCode", "agentSkillId"} & set(end.data)


def test_a_start_without_a_direction_or_a_service_is_an_update() -> None:
    """A call's start without a direction or a service becomes a call.update."""
    (event,) = MappingHarness().call("CALL_START", 0, callDirection=None, account="a")
    assert (event.type, event.data["account"]) == ("call.update", "a")
    assert "direction" not in event.data


def test_messages_and_dispositions_become_events() -> None:
    """An SMS, an email and a term code become events."""
    harness = MappingHarness()
    for kind, event_type in (("SMS", "sms.attempt"), ("Email", "email.attempt")):
        raw = msgspec.json.encode(
            {"interactionType": kind, "eventType": "Attempt", "serviceId": "5", "eventId": kind}
        )
        (event,) = harness.feeds.map_interaction(read_interaction(raw), raw, NOON)
        assert (event.type, event.id, event.data["service"]) == (event_type, kind, 5)
    (event,) = harness.call("CALL_DISPOSITION", 50, termCode="RPC", agentId="3")
    assert (event.type, event.data["agent"], ms_after_noon(event)) == ("call.disposition", 3, 50)


def test_a_repeated_page_produces_the_same_ids() -> None:
    """A repeated page produces the same ids, so each event is recognized as a duplicate."""
    harness = MappingHarness()

    def page() -> None:
        harness.call("CALL_START", 0, start=iso(0))
        harness.agent("IN_CALL", 20_000, callServiceId=5, **NAMED)
        harness.ended(80_000, 10)

    page()
    without_none = {one.id: one for one in harness.events}
    harness.events.clear()
    page()
    assert {one.id for one in harness.events} <= without_none.keys()
    assert harness.state.calls == {}


@pytest.mark.parametrize(
    "event",
    [
        {"eventType": "JUGGLING", "timestamp": NOON, "agentId": 1},
        {"eventType": "READY", "agentId": 1},
        {"eventType": "READY", "timestamp": NOON},
        {"eventType": "READY", "timestamp": 10**40, "agentId": 1},
        {"eventType": "READY", "timestamp": NOON, "agentId": 10**40},
        {"eventType": "READY", "timestamp": NOON, "agentId": 1, "agentTeamId": 10**40},
    ],
)
def test_an_invalid_agent_event_is_unreadable(event: dict[str, Any]) -> None:
    """An invalid agent event is not sent, and all stored data can be written."""
    harness = MappingHarness()
    raw = msgspec.json.encode({key: str(value) for key, value in event.items()})
    with pytest.raises(Unreadable):
        harness.feeds.map_agent_event(read_agent_event(raw), raw)
    msgspec.json.encode(list(harness.state.take_changes().values()))


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8), st.sampled_from(["1", "-1", "2026-11-23T15:00:00Z", "INBOUND", "0"]),
    st.lists(st.integers(), max_size=2),
)  # fmt: skip
MEMBERS = [
    "timestamp", "agentId", "agentLoginId", "eventType", "transactionId", "sessionId", "serviceId",
    "callServiceId", "callDirection", "start", "end", "duration", "transferHoldDuration",
    "operatorTransfer", "operatorTransferSuccessful", "callerId", "account", "eventId",
]  # fmt: skip
KINDS = st.sampled_from(
    [
        {"eventType": "IN_CALL"},
        {"eventType": "WRAP_UP"},
        {"interactionType": "VOICE", "callEventType": "CALL_START"},
        {"interactionType": "VOICE", "callEventType": "CALL_TERMINATION"},
        {"interactionType": "VOICE", "callEventType": "CALL_DISPOSITION"},
        {"interactionType": "SMS"},
        {"interactionType": "Email"},
        {"interactionType": "FAX"},
    ]
)
GOOD = {"timestamp": NOON, "agentId": 1, "transactionId": 1, "sessionId": "s", "serviceId": 1}


@settings(max_examples=tries(60))
@given(
    st.lists(
        st.tuples(KINDS, st.dictionaries(st.sampled_from(MEMBERS), ODD, max_size=6)), max_size=8
    )
)
def test_any_input_becomes_events_or_is_unreadable(
    fed: list[tuple[dict[str, str], dict[str, Any]]],
) -> None:
    """Any input becomes valid events or is unreadable, and all data can be stored."""
    harness = MappingHarness()
    for kind, members in fed:
        raw = msgspec.json.encode({**GOOD, **members, **kind})
        try:
            if "interactionType" in kind:
                found = harness.feeds.map_interaction(read_interaction(raw), raw, NOON)
            else:
                found = harness.feeds.map_agent_event(read_agent_event(raw), raw)
        except Unreadable:
            continue
        for event in found:
            encoded = msgspec.json.encode(event)
            kinds = {one.__struct_config__.tag for one in InboundEvent.__args__}
            assert msgspec.json.decode(encoded)["type"] in kinds
    rows = [
        WaitingCall(service_id=1, phone="1", account="1", time_stamp=time)
        for time in (None, -(10**30), NOON // 1000, 10**30)
    ]
    msgspec.json.encode(harness.lists.map_waiting_calls(rows))
    msgspec.json.encode(list(harness.state.take_changes().values()))
