"""Tests that read a log entry's lines, some of which a newer release may have written."""

from __future__ import annotations

import tracemalloc

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from floorcast.log.duplicates import event_keys, payload_keys
from floorcast.model.inbound import AgentState, UnknownEvent, read_lines
from tests.real.sites import event

KNOWN = msgspec.json.encode(event("agent.state", "a", agent="x", eventType="READY"))
NEW_TYPE = msgspec.json.encode(event("call.whisper", "b", to=7))
NEW_EVENT_TYPE = msgspec.json.encode(event("agent.state", "c", agent="x", eventType="DREAMING"))


def test_unknown_events_become_placeholders() -> None:
    """New types, new eventTypes and invalid data become placeholders. All other events are read."""
    found = read_lines(b"\n".join([NEW_TYPE, KNOWN, NEW_EVENT_TYPE, b"\xff{garbage"]))
    assert [type(one) for one in found] == [UnknownEvent, AgentState, UnknownEvent, UnknownEvent]
    assert [one.id for one in found[:3]] == ["b", "a", "c"]


@given(st.lists(st.sampled_from([KNOWN, NEW_TYPE, NEW_EVENT_TYPE]) | st.binary(max_size=20)))
def test_a_lines_key_does_not_depend_on_other_lines(lines: list[bytes]) -> None:
    """Nodes of two releases agree on duplicates, now and after a restart."""
    lines = [line.replace(b"\n", b"") for line in lines]
    lines = [line for line in lines if line and not line.isspace()]
    payload = b"\n".join(lines)
    events = read_lines(payload)
    assert len(events) == len(lines)
    assert payload_keys(7, payload) == event_keys(7, events)
    assert event_keys(7, events) == [
        key for line in lines for key in event_keys(7, read_lines(line))
    ]


def test_an_entry_of_nothing_but_short_names_takes_no_more_than_its_text() -> None:
    """The events of a log entry wait for the fold, also those that are read from disk again."""
    names = [chr(97 + number % 26) for number in range(1000)]
    line = msgspec.json.encode(
        event("agent.state", "a", agent="x", eventType="READY", services=names)
    )
    for count in (100, 300):  # one entry is decoded at once, and the other line by line
        payload = b"\n".join([line] * count)
        tracemalloc.start()
        try:
            events = read_lines(payload)
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(events) == count
        assert taken < 2 * len(payload)
