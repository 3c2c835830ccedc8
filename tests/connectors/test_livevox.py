"""Tests of the LiveVox connector's processor with data that no correct server sends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.client.agent_answers import AgentDetails
from floorcast.client.answers import CampaignStatistics, WaitingCall
from floorcast.client.events import read_agent_event, read_interaction
from floorcast.connectors.livevox.processor import (
    FeedItem,
    FeedName,
    ListResponse,
    LivevoxProcessor,
)
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.unreadable import ConnectorWarnings
from floorcast.ingest.decode import decode
from floorcast.model.errors import UnexpectedAnswer
from tests.connectors.absurd_values import ABSURD
from tests.connectors.livevox.mapping_harness import NOON, iso
from tests.search import tries

RECEIVED = NOON / 1000 + 20  # epoch seconds
VALUES = (
    *ABSURD, 10**30, -1, 0, 2**53, 2**63 - 1, 2**63, -(2**63), NOON * 2, 253_402_300_799_999,
    1e308, 1.5, True, None, [1], {"a": 1},
)  # fmt: skip
AGENT_EVENTS: list[dict[str, Any]] = [
    {
        "timestamp": NOON + number * 1000, "agentId": 1, "agentLoginId": "A1", "eventType": kind,
        "eventId": f"a{number}", "agentServiceId": 5, "agentTeamId": 6, "callServiceId": 5,
        "notReadyReasonCode": "L", "lineNumber": "ACD", "transactionId": 7, "sessionId": "s7",
        "phoneNumber": "555", "account": "a", "campaignType": "x", "result": "r", "agent2Id": 3,
        "supervisorSessionId": "z", "supervisorPhoneNumber": "1",
    }
    for number, kind in enumerate(["LOGON", "READY", "IN_CALL", "WRAP_UP", "READY", "LOGOFF"])
]  # fmt: skip
CALL_EVENTS: list[dict[str, Any]] = [
    {
        "interactionType": "VOICE", "callEventType": kind, "eventId": f"c{number}",
        "transactionId": 7, "sessionId": "s7", "timestamp": iso(number * 1000), "serviceId": 5,
        "callDirection": "INBOUND", "callerId": "5551", "phoneDialed": "800", "start": iso(0),
        "end": iso(9000), "transferHoldDuration": 3, "duration": 5, "operatorTransfer": 1,
        "operatorTransferSuccessful": 1, "agentId": 1, "agentLoginId": "A1", "lvResult": "ok",
        "lvResultId": 3, "campaignId": 4, "account": "x", "priority": 2, "phonePosition": "P1",
        "termCode": "t",
    }
    for number, kind in enumerate(["CALL_START", "CALL_DISPOSITION", "CALL_TERMINATION"])
]  # fmt: skip
MESSAGES: list[dict[str, Any]] = [
    {
        "interactionType": kind, "eventId": f"m{kind}", "eventType": "SENT", "serviceId": 5,
        "timestamp": iso(3), "sessionId": "q", "campaignId": 5, "accountNumber": "x",
        "carrier": "y", "callStartTime": "z", "threadId": 5, "campaignTypeId": 5,
    }
    for kind in ("SMS", "EMAIL")
]  # fmt: skip
LISTS: list[tuple[Any, str, dict[str, Any]]] = [
    (
        list[WaitingCall],
        "waiting",
        {"timeStamp": NOON // 1000, "serviceId": 5, "phone": "5551", "account": "x", "priority": 1},
    ),
    (
        list[CampaignStatistics],
        "campaigns",
        {"campaignId": 5, "serviceId": 5, "uploaded": 1, "loaded": 2, "completed": 3,
         "remaining": 4, "timezoneBreakdown": [{"timezone": "EST", "count": 1}]},
    ),
    (
        list[AgentDetails],
        "statuses",
        {"agentLoginId": "A1", "stateId": 2, "stateChangedAfter": NOON + 15_000,
         "transactionId": 7, "sessionId": "s", "account": "x", "phone": "y", "serviceId": 5,
         "reasonCode": "z"},
    ),
]  # fmt: skip


def processor(metrics: ConnectorMetrics) -> LivevoxProcessor:
    return LivevoxProcessor("other", [], ConnectorWarnings(metrics))


def feed_item(feed: FeedName, event: dict[str, Any]) -> FeedItem:
    """Return an event as the connector reads it. Raises UnexpectedAnswer."""
    raw = json.dumps(event).encode()
    found = read_agent_event(raw) if feed == "agent" else read_interaction(raw)
    return FeedItem(feed, "token", RECEIVED, found, raw)


@given(
    made=st.lists(
        st.tuples(st.integers(0, 99), st.integers(0, 99), st.sampled_from(VALUES)),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=tries(200), deadline=None)
def test_absurd_values_do_no_harm(made: list[tuple[int, int, Any]]) -> None:
    """The processor raises no exception, and the server accepts each of its events."""
    feeds = [*AGENT_EVENTS, *CALL_EVENTS, *MESSAGES]
    values: list[dict[str, Any]] = [dict(one) for one in (*feeds, *(row for *_, row in LISTS))]
    for index, member, value in made:
        changed = values[index % len(values)]
        changed[sorted(changed)[member % len(changed)]] = value
    tested = processor(ConnectorMetrics())
    for number, event in enumerate(values[: len(feeds)]):
        try:
            tested.apply(feed_item("agent" if number < len(AGENT_EVENTS) else "interaction", event))
        except UnexpectedAnswer:  # from the client, which has its own tests
            continue
    for (kind, name, _), row in zip(LISTS, values[len(feeds) :], strict=True):
        try:
            rows = msgspec.convert([row], kind)
        except msgspec.ValidationError:
            continue
        tested.apply(ListResponse(name, rows, RECEIVED))  # type: ignore[arg-type]  # a Literal
    lines = [msgspec.json.encode(event) for event in tested.take_step().events]
    assert asyncio.run(decode(lines, round(RECEIVED * 1000), 0)).rejected == []


def test_a_member_that_is_not_valid_is_left_out() -> None:
    """The call's end is sent without the account, because a call must not stay open for it."""
    tested = processor(ConnectorMetrics())
    for event in (CALL_EVENTS[0], {**CALL_EVENTS[2], "account": "x" * 5000}):
        tested.apply(feed_item("interaction", event))
    events = tested.take_step().events
    (end,) = (event for event in events if event.type == "call.end")
    assert "account" not in end.data
    assert end.data["duration"] == 5


def test_a_row_that_is_not_valid_does_not_affect_the_others() -> None:
    """The other campaigns are sent at once, and not only once their counts change again."""
    metrics = ConnectorMetrics()
    tested = processor(metrics)
    rows = msgspec.convert(
        [{"campaignId": 1, "loaded": 5}, {"campaignId": 2, "loaded": 2**70}],
        list[CampaignStatistics],
    )
    tested.apply(ListResponse("campaigns", rows, RECEIVED))
    assert [event.data["campaign"] for event in tested.take_step().events] == [1]
    assert metrics.value("floorcast_connector_unreadable_total") == 1
