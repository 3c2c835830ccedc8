"""Tests that map another server's data to events with that server's ids and times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.client import CloudEvent
from floorcast.client.agent_answers import AgentDetails
from floorcast.client.answers import CampaignStatistics, TimezoneCount, WaitingCall
from floorcast.client.events import read_agent_event, read_interaction
from floorcast.connectors.livevox.mapping import FeedMapper
from floorcast.connectors.livevox.state import FeedState
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.inbound import InboundEvent
from tests.search import tries

NOON = 1_795_428_000_000  # ms
NAMED: dict[str, Any] = {"transactionId": 7, "sessionId": "s7"}


def iso(at: int) -> str:
    """Return a time as the interaction feed prints it."""
    return datetime.fromtimestamp((NOON + at) / 1000, UTC).isoformat(timespec="milliseconds")


class MappingHarness:
    """A mapper and all events that it has returned."""

    def __init__(self) -> None:
        self.state = FeedState()
        self.mapper = FeedMapper("other", self.state)
        self.events: list[CloudEvent] = []

    def agent(self, kind: str, at: int, agent: int = 1, **more: object) -> list[CloudEvent]:
        """Map an event of the agent feed."""
        raw = msgspec.json.encode(
            {
                "timestamp": NOON + at,
                "agentId": agent,
                "agentLoginId": f"A{agent}",
                "eventType": kind,
                "eventId": f"a{agent}/{at}/{kind}",
                **more,
            }
        )
        return self._add(self.mapper.map_agent_event(read_agent_event(raw), raw))

    def call(self, kind: str, at: int, **more: object) -> list[CloudEvent]:
        """Map an event of the interaction feed about the call."""
        raw = msgspec.json.encode(
            {
                **NAMED,
                "interactionType": "VOICE",
                "callEventType": kind,
                "eventId": f"{kind}/{at}",
                "timestamp": iso(at),
                "serviceId": 5,
                "callDirection": "INBOUND",
                **more,
            }
        )
        return self._add(self.mapper.map_interaction(read_interaction(raw), raw, NOON))

    def ended(self, at: int, hold: int, *, success: int = 1, **more: object) -> list[CloudEvent]:
        """Map the call's end, which has the wait in whole seconds."""
        members = {"transferHoldDuration": hold, "operatorTransfer": 1, "start": iso(0)}
        outcome = {"operatorTransferSuccessful": success, "end": iso(at)}
        return self.call("CALL_TERMINATION", at, **{**members, **outcome, **more})

    def _add(self, events: list[CloudEvent]) -> list[CloudEvent]:
        self.events += events
        return events

    def queues(self) -> list[tuple[int, object]]:
        """Return the times and services at which the call began to wait."""
        return [
            (ms_after_noon(one), one.data.get("service"))
            for one in self.events
            if one.type == "call.queue"
        ]


def ms_after_noon(event: CloudEvent) -> int:
    """Return an event's time in ms after noon."""
    return round(event.time.timestamp() * 1000) - NOON


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


def test_a_listed_waiting_call_is_matched_by_its_number() -> None:
    """A listed call waits from its row's time. Repeated and unrelated rows have no effect."""
    harness = MappingHarness()
    harness.call("CALL_START", 300, start=iso(300), callerId="555")
    row = WaitingCall(service_id=5, phone="555", time_stamp=NOON // 1000)
    other = WaitingCall(service_id=5, phone="556", time_stamp=NOON // 1000)
    (event,) = harness.mapper.map_waiting_calls([other, row])
    assert (event.type, ms_after_noon(event), event.data["service"]) == ("call.queue", 300, 5)
    assert harness.mapper.map_waiting_calls([row]) == []
    (moved,) = harness.mapper.map_waiting_calls(
        [WaitingCall(service_id=6, phone="555", time_stamp=NOON // 1000 + 9)]
    )
    assert (ms_after_noon(moved), moved.data["service"]) == (9_000, 6)
    harness.agent("IN_CALL", 20_000, callServiceId=6, **NAMED)
    assert [one.type for one in harness.ended(30_000, 20, serviceId=6)] == ["call.end"]


def test_two_rows_with_the_same_number_are_two_calls() -> None:
    """Two calls from the same number can wait at the same time."""
    harness = MappingHarness()
    for number in (1, 2):
        harness.call(
            "CALL_START", number * 1_000, start=iso(number * 1_000), callerId="555",
            transactionId=number, sessionId=str(number),
        )  # fmt: skip
    rows = [
        WaitingCall(service_id=5, phone="555", time_stamp=NOON // 1000 + number)
        for number in (2, 1)
    ]
    found = harness.mapper.map_waiting_calls(rows)
    assert {(one.data["transactionId"], ms_after_noon(one)) for one in found} == {
        (1, 1_000),
        (2, 2_000),
    }


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
        (event,) = harness.mapper.map_interaction(read_interaction(raw), raw, NOON)
        assert (event.type, event.id, event.data["service"]) == (event_type, kind, 5)
    (event,) = harness.call("CALL_DISPOSITION", 50, termCode="RPC", agentId="3")
    assert (event.type, event.data["agent"], ms_after_noon(event)) == ("call.disposition", 3, 50)


def test_a_campaign_is_sent_when_its_counts_change_and_every_hour() -> None:
    """A campaign is sent when its counts change and every hour.

    The first event of a day adds the campaign to that day's list.
    """
    mapper = MappingHarness().mapper
    row = CampaignStatistics(
        campaign_id=9,
        loaded=10,
        remaining=4,
        timezone_breakdown=[TimezoneCount(timezone="ET", count=4)],
    )
    (event,) = mapper.map_campaigns([row], NOON)
    assert event.data == {"campaign": 9, "loaded": 10, "remaining": 4, "timezones": {"ET": 4}}
    assert mapper.map_campaigns([row], NOON + 60_000) == []
    assert len(mapper.map_campaigns([row], NOON + 3_600_000)) == 1
    row.remaining = 3
    assert len(mapper.map_campaigns([row], NOON + 3_600_001)) == 1


def test_agent_states_are_corrected_after_lost_events() -> None:
    """Only newer states are sent. Agents who are missing from the list have logged off."""
    harness = MappingHarness()
    for agent in (1, 2, 3):
        harness.agent("READY", 0, agent=agent)
    rows = [
        AgentDetails(agent_login_id="A1", state_id=3, reason_code="LUNCH",
                     state_changed_after=NOON + 5, service_id=5),
        AgentDetails(agent_login_id="A2", state_id=2, state_changed_after=NOON),
        AgentDetails(agent_login_id="A9", state_id=2, state_changed_after=NOON + 9),
    ]  # fmt: skip
    found = harness.mapper.map_statuses(rows, NOON + 60_000)
    assert [(one.data["agent"], one.data["eventType"], ms_after_noon(one)) for one in found] == [
        (1, "NOT_READY", 5),
        (3, "LOGOFF", 60_000),
    ]
    assert harness.mapper.map_statuses(rows, NOON + 60_000) == []


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
        harness.mapper.map_agent_event(read_agent_event(raw), raw)
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
                found = harness.mapper.map_interaction(read_interaction(raw), raw, NOON)
            else:
                found = harness.mapper.map_agent_event(read_agent_event(raw), raw)
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
    msgspec.json.encode(harness.mapper.map_waiting_calls(rows))
    msgspec.json.encode(list(harness.state.take_changes().values()))
