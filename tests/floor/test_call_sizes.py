"""Tests that the counted sizes of calls are right, however the calls came to be."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.floor import call_table
from floorcast.floor.call_sizes import ORDINARY_BYTES, bytes_beyond_ordinary
from floorcast.floor.call_table import CallTable
from floorcast.floor.calls import Call, Disposition
from floorcast.floor.floor import Floor
from floorcast.floor.state import decode_call, encode_call, from_snapshot, snapshot_parts
from floorcast.model.inbound import InboundEvent
from tests.floor.random_floors import (
    agent_events,
    call,
    call_events,
    fold_all,
    missed_offers,
    new_floor,
    ticks,
)
from tests.search import tries

HOUR = 3600


@st.composite
def long_events(draw: st.DrawFn) -> InboundEvent:
    """Draw an event that sets texts of any length of one of four calls."""
    kind = draw(st.sampled_from(["call.start", "call.update", "call.queue", "call.disposition"]))
    text = draw(st.sampled_from(["", "a", "\u20ac"])) * draw(st.sampled_from([1, 600, 4096]))
    members: dict[str, dict[str, Any]] = {
        "call.start": {"service": 10, "direction": "INBOUND", "zipCode": text},
        "call.update": {"account": text, "consumer": {"firstName": text}},
        "call.queue": {"service": 20, "skill": text},
        "call.disposition": {"termCode": text},
    }
    return call(kind, draw(st.integers(0, 200)), draw(st.integers(1, 4)), **members[kind])


def sizes_of(table: CallTable) -> tuple[int, int]:
    """Return what the table counts of the open and the ended calls."""
    return table.sizes.open_bytes, table.sizes.ended_bytes


@settings(max_examples=tries(60), deadline=None)
@given(
    st.lists(long_events() | call_events() | agent_events() | missed_offers(), max_size=30),
    st.integers(0, 5),
)
def test_the_counts_are_those_of_the_calls_in_memory(
    events: list[InboundEvent], hours: int
) -> None:
    """After any events, after calls have left, and after a restart from a snapshot."""
    floor = new_floor()
    fold_all(floor, events)
    floor.begin_entry(900, ticks(hours * HOUR))
    sizes = {True: 0, False: 0}
    for one in floor.call_table.calls.values():
        sizes[one.ended is None] += bytes_beyond_ordinary(one)
    assert sizes_of(floor.call_table) == (sizes[True], sizes[False])
    for gone in floor.call_table.evicted:
        floor.call_table.reload(gone)
    parts = list(snapshot_parts(floor.snapshot_state()))
    assert sizes_of(Floor(from_snapshot(parts)).call_table) == sizes_of(floor.call_table)


@pytest.mark.parametrize("text", ["a" * 4000, "\u20ac" * 2000, "\U0001f600" + "a" * 3000])
@pytest.mark.parametrize("steps", [0, 40])
def test_a_count_is_not_less_than_the_call_takes(text: str, steps: int) -> None:
    """Whatever a text's characters are, and however often the call moved."""
    floor = new_floor()
    kinds = ["call.queue", "call.answer"] * (steps // 2)
    moves = [call(kind, at, agent=7 + at % 2) for at, kind in enumerate(kinds)]
    update = call("call.update", 99, account=text, callerId=text, zipCode=text)
    fold_all(floor, [*moves, update])
    (one,) = floor.call_table.calls.values()
    stored = encode_call(one)
    tracemalloc.start()
    try:
        again = decode_call(stored)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken <= bytes_beyond_ordinary(again) + ORDINARY_BYTES


TEXTS = {one.name for one in msgspec.structs.fields(Call) if "str" in str(one.type)}
TEXTS -= {"direction"}  # one of a few words


@pytest.mark.parametrize("member", [*sorted(TEXTS), "disposition"])
def test_every_text_counts(member: str) -> None:
    """No member of a call can be long without being counted."""
    text = "a" * 4096
    code = Disposition(1, text, "nonContacts", None, 10, named=False)
    members: dict[str, Any] = {"session": "s", member: code if member == "disposition" else text}
    assert 0 < bytes_beyond_ordinary(Call(1, **members)) < len(text)


def test_long_calls_that_have_ended_leave_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that ended first leave until the others take less than the limit."""
    monkeypatch.setattr(call_table, "MAX_ENDED_BYTES", 5_000)
    floor = new_floor()
    for number in range(1, 6):
        start = call("call.start", 0, number, service=10, direction="INBOUND", account="a" * 4096)
        fold_all(floor, [start, call("call.end", 1, number)], begin=number * 2)
    floor.begin_entry(99, ticks(230))
    assert 2_500 < floor.call_table.sizes.ended_bytes <= 5_000
    evicted = [one.transaction for one in floor.call_table.evicted]
    assert evicted == [1, 2, 3]


def test_an_ordinary_call_is_not_counted() -> None:
    """A call that is transferred twice and has texts of the usual lengths."""
    floor = new_floor()
    moves = ["call.queue", "call.answer"] * 3
    texts: dict[str, Any] = {"account": "a" * 40, "callerId": "1" * 12}
    start = call("call.start", 0, service=10, direction="INBOUND", **texts)
    fold_all(floor, [start, *(call(kind, at) for at, kind in enumerate(moves, 1))])
    assert sizes_of(floor.call_table) == (0, 0)
