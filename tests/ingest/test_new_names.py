"""Tests of the names that a request's events would add to a floor."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from floorcast.ingest.new_names import MAX_NEW_PER_EVENT, FloorNames, Kind, ended_call
from floorcast.ingest.quotas import counts
from floorcast.model.inbound import InboundEvent, read_lines
from tests.projection.test_runner import ProjectionHarness
from tests.real.sites import event, ndjson

CALL = {"transactionId": "09", "sessionId": "s"}
NEW = [
    ("agent.state", {"agent": "A", "eventType": "READY"}, {("agents", "A")}),
    (
        "agent.state",
        {
            "agent": 1,
            "agent2": "2",
            "eventType": "IN_CALL",
            "service": "S",
            "services": ["S", 7, "7", "T"],
            "team": "N",
            "call": {**CALL, "service": "U"},
        },
        {("agents", 1), ("agents", 2), ("teams", "N"), ("open_calls", (9, "s"))}
        | {("services", one) for one in ("S", 7, "T", "U")},
    ),
    ("agent.state", {"agent": "A", "eventType": "READY", "call": {"service": 5}},
     {("agents", "A"), ("services", 5)}),
    ("call.start", {**CALL, "service": 5, "campaign": "C", "direction": "INBOUND"},
     {("services", 5), ("campaigns", "C"), ("open_calls", (9, "s"))}),
    ("call.queue", CALL, {("open_calls", (9, "s"))}),
    ("call.answer", {**CALL, "agent": "A"}, {("agents", "A"), ("open_calls", (9, "s"))}),
    ("call.leave", {**CALL, "reason": "KEY"}, {("open_calls", (9, "s"))}),
    ("call.update", {**CALL, "service": 5}, {("services", 5), ("open_calls", (9, "s"))}),
    ("call.disposition", {**CALL, "agent": "A"}, {("agents", "A"), ("open_calls", (9, "s"))}),
    ("call.end", {**CALL, "agent": "A", "agentId": "B", "campaign": 1, "service": 5},
     {("agents", "A"), ("campaigns", 1), ("services", 5)}),
    ("call.end", {**CALL, "agentId": "B"}, {("agents", "B")}),
    ("agent.missed", {**CALL, "agent": "A", "service": 5, "reason": "BUSY"},
     {("agents", "A"), ("services", 5)}),
    ("agent.missed", {**CALL, "agent": "A", "reason": "BUSY"},
     {("agents", "A"), ("open_calls", (9, "s"))}),
    ("email.attempt", {"service": 5, "campaign": "C", "eventType": "x"},
     {("services", 5), ("campaigns", "C")}),
    ("sms.attempt", {"service": 5, "eventType": "x"}, {("services", 5)}),
    ("campaign.update", {"campaign": "C", "service": 5}, {("campaigns", "C"), ("services", 5)}),
]  # fmt: skip


def decoded(kind: str, data: dict[str, Any]) -> InboundEvent:
    """Return an event as decoded by the intake."""
    (found,) = read_lines(ndjson([event(kind, 1, **data)]))
    assert isinstance(found, InboundEvent)
    return found


@pytest.mark.parametrize(("kind", "data", "new"), NEW)
def test_an_events_names_are_new_until_it_is_folded(
    kind: str, data: dict[str, Any], new: set[Any]
) -> None:
    """Every member that names something counts. After the fold, the floor has the name."""
    projection = ProjectionHarness().floor()
    names = FloorNames(projection)
    one = decoded(kind, data)
    assert names.new_objects(one) == new
    before, pairs = counts(projection), names.new_agent_services(one)
    projection.floor.begin_entry(1, 10**16)
    projection.floor.fold(one, 10**16, "id")
    assert {one for one in new if not names.contains(one)} <= {("open_calls", (9, "s"))}
    for at in MAX_NEW_PER_EVENT:
        added = sum(found == at for found, _ in new)
        if at == "agent_services":  # each agent is at one service at least
            added = max(pairs, sum(found == "agents" for found, _ in new))
        assert counts(projection)[at] - before[at] <= added  # ordinary texts add no bytes


def test_every_event_type_is_covered() -> None:
    """A new type cannot bypass the limits."""
    assert {kind for kind, _, _ in NEW} == {
        str(one.__struct_config__.tag) for one in get_args(InboundEvent)
    }
    assert set(get_args(Kind)) == set(MAX_NEW_PER_EVENT)


def test_only_a_call_end_event_ends_a_call() -> None:
    """The keys match, however the transaction id is written."""
    assert ended_call(decoded("call.end", CALL)) == (9, "s")
    assert ended_call(decoded("call.queue", CALL)) is None
