"""Tests that the counted bytes of agents' long texts are right, however the texts came to be."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from floorcast.floor.agent_sizes import runs_of, text_bytes
from floorcast.floor.agents import LONG_TEXT, CurrentCall, EventDetails, FloorAgent
from floorcast.floor.floor import LATE_MS, Floor
from floorcast.floor.state import from_snapshot, snapshot_parts
from floorcast.model.inbound import InboundEvent
from tests.floor.random_floors import (
    AGENTS,
    PLAN,
    agent,
    agent_events,
    call,
    call_events,
    fold_all,
    new_floor,
    ticks,
)
from tests.search import tries

HOUR = 3600
OTHER_BYTES = 4096  # that two runs differ by: the interpreter's own memory


@st.composite
def long_events(draw: st.DrawFn) -> InboundEvent:
    """Draw an event that gives texts of any length to one of three agents, or to a call."""
    text = draw(st.sampled_from("ab\u20ac")) * draw(st.sampled_from([1, 128, 129, 4096]))
    at, number = draw(st.integers(0, 200)), draw(st.integers(1, 4))
    if draw(st.integers(0, 4)) == 0:
        return call("call.update", at, number, account=text, phoneDialed=text, campaignType=text)
    members: dict[str, Any] = {draw(st.sampled_from(["reason", "skill"])): text}
    kind = draw(st.sampled_from(["NOT_READY", "IN_CALL", "WRAP_UP", "LOGON", "LOGOFF"]))
    if draw(st.booleans()):
        name = draw(st.sampled_from(["phoneNumber", "account", "campaignType"]))
        members["call"] = {"transactionId": number, "sessionId": f"S{number}", name: text}
    return agent(kind, at, draw(AGENTS), **members)


def texts_in(value: Any) -> set[str]:  # noqa: ANN401 - any part of an agent
    """Return all long texts in a value."""
    if isinstance(value, str):
        return {value} if len(value) > LONG_TEXT else set()
    if isinstance(value, dict):
        value = list(value.values())
    return set().union(*map(texts_in, value)) if isinstance(value, list | tuple) else set()


def counted_again(floor: Floor) -> int:
    """Return what the long texts of the floor's agents take."""
    agents = [texts_in(msgspec.to_builtins(one)) for one in floor.state.agents.values()]
    return sum(text_bytes(text) for texts in agents for text in texts)


def runs_counted_again(floor: Floor) -> int:
    """Return the complete runs of the floor's agents."""
    return sum(map(runs_of, floor.state.agents.values()))


def restarted(floor: Floor) -> Floor:
    """Return the floor as it is after a restart."""
    return Floor(from_snapshot(list(snapshot_parts(floor.snapshot_state()))))


@settings(max_examples=tries(80), deadline=None)
@given(
    st.lists(long_events() | agent_events() | call_events(), max_size=40),
    st.sampled_from([0, 0.2, 1, 31 * 24]),
    st.booleans(),
)
def test_the_count_is_that_of_the_agents_texts(
    events: list[InboundEvent], hours: float, moves: bool
) -> None:
    """After any events, after the agents have been quiet or have left, and after a restart."""
    floor = new_floor()
    for number, one in enumerate(events, 2):
        fold_all(floor, [one], begin=number)
        assert floor.agent_sizes.bytes == counted_again(floor)
        assert floor.agent_sizes.runs == runs_counted_again(floor)
    if moves:
        floor.apply(replace(PLAN, time_zone="Asia/Tokyo"))
    for late in (0, 61, 122):  # names leave a minute after others, at most
        floor.begin_entry(900 + late, ticks(300 + hours * HOUR + late))
    assert floor.agent_sizes.bytes == counted_again(floor)
    assert floor.agent_sizes.runs == runs_counted_again(floor)
    again = restarted(floor)
    assert again.agent_sizes.runs == floor.agent_sizes.runs
    assert again.agent_sizes.bytes == counted_again(again) == floor.agent_sizes.bytes
    assert again.agent_sizes.by_agent == floor.agent_sizes.by_agent


@settings(max_examples=tries(40), deadline=None)
@given(st.lists(long_events() | agent_events(), max_size=30), st.data())
def test_a_restart_at_any_time_leads_to_the_same_floor(
    events: list[InboundEvent], data: st.DataObject
) -> None:
    """The moments that are dropped for their texts depend only on the log."""
    at = data.draw(st.integers(0, len(events)))
    floor, other = new_floor(), new_floor()
    fold_all(floor, events[:at])
    fold_all(other, events[:at])
    other = restarted(other)
    for one in (floor, other):
        fold_all(one, events[at:], begin=at + 2)
        one.begin_entry(900, ticks(300 + LATE_MS / 1000 + 120))
    assert list(snapshot_parts(floor.snapshot_state())) == list(
        snapshot_parts(other.snapshot_state())
    )


def taken_by(texts: list[str]) -> tuple[int, int, int]:
    """Return the bytes that a floor takes whose agent had each text twice.

    The second number is that after a restart, and the third the count of the long texts.
    """
    lines = [
        msgspec.json.encode(agent(kind, at, skill=text, reason=text, call={"account": text}))
        for at, text in enumerate(texts)
        for kind in ("NOT_READY", "IN_CALL")
    ]
    tracemalloc.start()
    try:
        floor = new_floor()
        for number, line in enumerate(lines, 2):
            fold_all(floor, [msgspec.json.decode(line, type=InboundEvent)], begin=number)
        list(snapshot_parts(floor.snapshot_state()))  # which leaves the texts' UTF-8 with them
        live, _ = tracemalloc.get_traced_memory()
        parts = list(snapshot_parts(floor.snapshot_state()))
        before, _ = tracemalloc.get_traced_memory()
        again = Floor(from_snapshot(parts))
        list(snapshot_parts(again.snapshot_state()))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert again.agent_sizes.bytes == floor.agent_sizes.bytes
    return live, after - before, again.agent_sizes.bytes


@pytest.mark.parametrize(
    "texts",
    [
        ["a" * 4000] * 40,
        [f"{number:2}\u20ac" * 900 for number in range(40)],
        [chr(0x1F600 + number) * 200 for number in range(40)],
    ],
)
def test_the_count_is_not_less_than_the_texts_take(texts: list[str]) -> None:
    """Whatever a text's characters are, and however often the agent has had it."""
    taken_by(["a"])  # what is loaded only once
    live, stored, count = taken_by(texts)
    live_without, stored_without, none = taken_by([text[:3] for text in texts])
    assert none == 0
    assert live - live_without <= count + OTHER_BYTES
    assert stored - stored_without <= count + OTHER_BYTES


def test_short_texts_are_not_counted() -> None:
    """Nor are those that an agent would take over from its call, which are not kept if long."""
    floor = new_floor()
    long = "a" * (LONG_TEXT + 1)
    start = call("call.start", 0, service=10, direction="INBOUND", callerId=long, campaignType=long)
    ref = {"transactionId": 1, "sessionId": "S1", "account": "b" * LONG_TEXT}
    answer = call("call.answer", 1, agent="BOB")
    fold_all(floor, [start, agent("IN_CALL", 1, reason="c" * LONG_TEXT, call=ref), answer])
    assert floor.agent_sizes.bytes == counted_again(floor) == 0
    current = floor.state.agents[7].call
    assert current is not None
    assert (current.phone, current.account, current.campaign_type) == (None, "b" * LONG_TEXT, None)


def test_all_texts_of_an_agent_are_covered() -> None:
    """A new member with a text cannot bypass the limit."""
    texts = {
        kind: {name.name for name in msgspec.structs.fields(kind) if "str" in str(name.type)}
        for kind in (FloorAgent, EventDetails, CurrentCall)
    }
    keys = {"answered", "current_calls", "wrap_up_call"}  # with sessions of up to 256 characters
    assert texts[FloorAgent] - keys == {"reason", "skill"}
    assert texts[EventDetails] == {"reason", "skill"}
    assert texts[CurrentCall] - {"session", "direction"} == {"phone", "account", "campaign_type"}
