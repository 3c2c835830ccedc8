"""Tests that events with unusual values in any member do no harm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings
from structlog.testing import capture_logs

from floorcast.feeds import feed
from floorcast.model.inbound import InboundEvent
from tests.real.nodes import Clock, NodeHarness, temporary_folder
from tests.real.server import AGENTS, EVENTS
from tests.real.sites import KEYS, event
from tests.search import tries

ODD = [
    *(None, True, [], {}, [1], {"id": 1}, "", " ", "x", "0", "-1", "00000000000000000042"),
    *(0, 1, -1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), 10**30),
    *(
        0.5,
        -0.0,
        1e308,
        5e-324,
        "9" * 18,
        "9" * 15,
        "\u0663",
        "\0",
        "a\nb",
        "\U0001f4de",
        "x" * 4096,
    ),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-23T12:00:00.123456789Z"),
    *("INBOUND", "IN_CALL", "LOGOFF", "AGENT_TRANSFER_FAILED_SUPERVISOR", "PREVIEW_DIAL_SKIPPED"),
]
USUAL = {
    "transactionId": 1,
    "sessionId": "s",
    "service": 77,
    "direction": "INBOUND",
    "eventType": "READY",
    "agent": "somebody",
    "campaign": "C",
}


def members(kind: type[msgspec.Struct]) -> list[str]:
    """Return the members that an event type's data can have."""
    (data,) = [field.type for field in msgspec.structs.fields(kind) if field.name == "data"]
    return [field.encode_name for field in msgspec.structs.fields(data)]


MEMBERS = {str(kind.__struct_config__.tag): members(kind) for kind in get_args(InboundEvent)}
INNER = st.dictionaries(
    st.sampled_from(["transactionId", "sessionId", "service", "phoneNumber", "ET", "firstName"]),
    st.sampled_from(ODD),
    max_size=4,
)


@st.composite
def odd_event(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an event in which some members have unusual values."""
    kind = draw(st.sampled_from(sorted(MEMBERS)))
    data = {name: USUAL[name] for name in MEMBERS[kind] if name in USUAL}
    data |= draw(
        st.dictionaries(st.sampled_from(MEMBERS[kind]), st.sampled_from(ODD) | INNER, max_size=4)
    )
    number = draw(st.integers(0, 10**9))
    one = {"specversion": "1.0", "id": str(number), "source": "odd", "type": kind, "data": data}
    if draw(st.booleans()):
        one["time"] = draw(st.sampled_from(["1970-01-01T00:00:00Z", "2026-11-23T10:00:00+14:00"]))
    return one


@contextmanager
def checked_node(folder: Path) -> Iterator[NodeHarness]:
    """Run a node, which must not log an error. Its feeds must be the same after a restart."""
    with pytest.MonkeyPatch.context() as patch, capture_logs() as logged:
        patch.setattr(feed, "POLL_SECONDS", 0.0)
        harness = NodeHarness(folder, Clock())
        try:
            session = harness.login()
            token = harness.ask("POST", EVENTS, session).json()["token"]

            def both() -> list[object]:
                answers = [
                    harness.ask("POST", path, session, json={"token": token}).json()
                    for path in (EVENTS, AGENTS)
                ]
                return [answers[0]["events"], answers[1]["agentEvent"]]

            yield harness
            before = both()
            harness.close()
            harness.open()
            assert both() == before
        finally:
            harness.end()
    assert [one for one in logged if one["log_level"] in {"error", "critical"}] == []


def send(harness: NodeHarness, batch: list[dict[str, Any]]) -> None:
    """Send events, and then let enough time pass for ended calls to leave memory."""
    answer = harness.ask(
        "POST",
        "/ingest/v1/events",
        content=json.dumps(batch).encode(),
        headers={
            "Authorization": f"Bearer {KEYS['ACME']}",
            "Content-Type": "application/cloudevents-batch+json",
        },
    )
    assert answer.status_code in {200, 400}, answer.text
    harness.clock.move(11 * 60)


@pytest.mark.parametrize("kind", sorted(MEMBERS))
def test_each_odd_value_in_each_member_is_harmless(kind: str) -> None:
    """No unusual value makes a fold fail, stops the floor, or prevents a snapshot."""
    batch: list[dict[str, Any]] = []
    for member in MEMBERS[kind]:
        for value in ODD:
            usual = {name: USUAL[name] for name in MEMBERS[kind] if name in USUAL}
            if "transactionId" in usual:
                usual["transactionId"] = len(batch)
            batch.append(event(kind, len(batch), **{**usual, member: value}))
    ends = [
        event("call.end", f"end {number}", transactionId=number, sessionId="s")
        for number in range(len(batch))
    ]
    with temporary_folder() as folder, checked_node(folder) as harness:
        send(harness, batch)
        send(harness, ends if "transactionId" in MEMBERS[kind] else [])
        send(harness, [event("campaign.update", "last", campaign="C")])


@settings(max_examples=tries(25))
@given(st.lists(st.lists(odd_event(), min_size=1, max_size=10), min_size=1, max_size=4))
def test_combined_odd_values_are_harmless(batches: list[list[dict[str, Any]]]) -> None:
    """Several unusual values in one event do no harm, either."""
    with temporary_folder() as folder, checked_node(folder) as harness:
        for batch in batches:
            send(harness, batch)
