"""Tests that blocks have a limited size and are cut into pages without decoding events."""

from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.feeds.blocks import (
    MAX_PAGE_BYTES,
    SEAL_BYTES,
    SEAL_EVENTS,
    Block,
    PageBuilder,
    Tail,
    encode,
)
from floorcast.feeds.filters import EVERYTHING, Filter, Matcher, matcher
from floorcast.model.outbound import AgentEvent
from tests.http.feed_events import sms

SIGHTS = [
    EVERYTHING,
    matcher(Filter(services=frozenset({1}))),
    matcher(Filter(services=frozenset({9}))),
]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=40),
    st.integers(-1, 200),
    st.integers(1, 50),
    st.sampled_from(SIGHTS),
)
def test_a_tail_and_its_block_give_the_same_events(
    steps: list[tuple[int, int]], cursor: int, room: int, sight: Matcher
) -> None:
    """A tail and its block give the same events for any cursor, filter and limit."""
    at, records = 0, []
    for step, service in steps:
        at += step
        records.append((at, ("VOICE", service, None), b"%d" % at))
    tail = Tail()
    assert tail.add(records, 1) == len(records)
    expected = [body for at, facets, body in records if at > cursor and sight(facets)][:room]
    for source in (tail, Block(tail.seal())):
        builder = PageBuilder(cursor, sight, room)
        source.add_to(builder)
        assert [line for piece in builder.pieces for line in piece.split(b"\n")] == expected
        assert builder.count == len(expected)
        assert builder.full == (len(expected) == room)
        if builder.full:
            assert builder.cursor == int(expected[-1])


def test_a_tail_is_full_by_events_or_by_bytes() -> None:
    """A tail takes at most one block's events and bytes, so that blocks stay small."""
    tail = Tail()
    records = [(at, ("", 1, 1), b"{}") for at in range(1, 3000)]
    assert tail.add(records, 1) == SEAL_EVENTS
    assert tail.is_full
    tail = Tail()
    large = [(at, ("", 1, 1), b"x" * (SEAL_BYTES // 2)) for at in range(1, 30)]
    assert tail.add(large, 1) == 2
    assert tail.is_full


def test_kinds_count_toward_the_size() -> None:
    """A kind names each place of the other agent of an event, and there can be a thousand."""
    tail = Tail()
    places = [f";agent2 of{number:010}" + " s12345678" * 1000 for number in range(1000)]
    records = [(at, (kind, 1, 1), b"{}") for at, kind in enumerate(places, 1)]
    assert tail.add(records, 1) == -(-SEAL_BYTES // (len(places[0]) + 2))
    assert tail.is_full
    block = Block(tail.seal())
    assert SEAL_BYTES < block.size < 3 * SEAL_BYTES


def test_a_page_has_a_size_limit() -> None:
    """The size of a page is limited, however many events were requested."""
    builder = PageBuilder(0, EVERYTHING, 1000)
    at = 0
    while not builder.full:
        tail = Tail()
        tail.add([(at + 1, ("", 1, 1), b"x" * SEAL_BYTES)], 1)
        at += 1
        Block(tail.seal()).add_to(builder)
    assert builder.count == MAX_PAGE_BYTES // SEAL_BYTES
    assert builder.cursor == at


@pytest.mark.parametrize("sight", SIGHTS[:2])
def test_a_page_is_filled_to_the_byte(sight: Matcher) -> None:
    """A page has as many events as its size limit allows, but at least one."""
    bodies = [b"1", b"22", b"333", b"4", b"55555"]
    tail = Tail()
    tail.add([(at, ("VOICE", 1, 1), body) for at, body in enumerate(bodies, 1)], 1)
    for start, room, space in product(range(5), (1, 3, 9), range(1, 20)):
        fitting = bodies[start : start + room]
        while len(fitting) > 1 and len(b"\n".join(fitting)) > space:
            del fitting[-1]
        for source in (tail, Block(tail.seal())):
            builder = PageBuilder(start, sight, room, space)
            source.add_to(builder)
            assert builder.pieces == [b"\n".join(fitting)]
            if start + len(fitting) < 5:
                assert builder.full
                assert builder.cursor == start + len(fitting)


def test_a_segment_records_its_positions_times_and_classes() -> None:
    """A segment has its positions, its range of times, and each of its classes once."""
    tail = Tail()
    tail.add([(5, ("SMS", 1, 2), b"a"), (7, ("SMS", 1, 2), b"b")], 100)
    tail.add([(9, ("VOICE", 1, 2), b"c")], 90)
    segment = tail.seal()
    assert (segment.first, segment.last, segment.count) == (5, 9, 3)
    assert (segment.first_recorded_at, segment.last_recorded_at) == (100, 100)
    assert segment.table == (("SMS", 1, 2), ("VOICE", 1, 2))
    assert segment.body == b"a\nb\nc"


NORTH = matcher(visibility=frozenset({1}))
TOLD = (
    b'{"agentId":7,"agentServiceId":10,"eventType":"IN_CALL","callServiceId":20,"transactionId":5'
)
WHOLE = (
    TOLD + b',"sessionId":"s","phoneNumber":"650","account":"A","campaignType":"MANUAL","seqNum":9}'
)
BLANK = b'{"agentId":7,"agentServiceId":10,"eventType":"IN_CALL","seqNum":9}'


def test_an_agent_event_omits_the_call_of_a_hidden_call_center() -> None:
    """Users who may not see the call get the event without it; others get the original bytes."""
    kinds = {"": WHOLE, "call of 1": WHOLE, "call of 2": BLANK, "call of ": BLANK}
    tail = Tail()
    tail.add([(at, (kind, 10, 1), WHOLE) for at, kind in enumerate(kinds, 1)], 1)
    for seen, expected in ((NORTH, list(kinds.values())), (EVERYTHING, [WHOLE] * 4)):
        for source in (tail, Block(tail.seal())):
            builder = PageBuilder(0, seen, 100)
            source.add_to(builder)
            assert [line for piece in builder.pieces for line in piece.split(b"\n")] == expected


@pytest.mark.parametrize("center", [1, 2])
def test_an_agent_event_omits_hidden_agents(center: int) -> None:
    """Limited users see the other agent of a transfer only if they see one of its places.

    They never see the supervisor, or the other agent of an event that an old release stored.
    """
    start, supervisor = (
        b'{"agentId":7',
        b',"supervisorSessionId":"s","supervisorPhoneNumber":"1"',
    )
    whole = start + b',"agent2Id":8' + supervisor + b',"seqNum":9}'
    known, blank = start + b',"agent2Id":8,"seqNum":9}', start + b',"seqNum":9}'
    kinds = {
        "": blank,
        ";agent2 of": blank,
        ";agent2 of s20 s30 c2": known if center == 2 else blank,
        ";agent2 of s10 s20 c1 c2": known,
        ";agent2 of s5 c9": known,
        "call of 3;agent2 of c1 c2": known,
        "call of 3;agent2 of c11 c22 s1 s2": blank,
    }
    tail = Tail()
    tail.add([(at, (kind, 10, center), whole) for at, kind in enumerate(kinds, 1)], 1)
    limited = matcher(visibility=frozenset({center}), services=frozenset({5}))
    for seen, expected in ((limited, list(kinds.values())), (EVERYTHING, [whole] * len(kinds))):
        for source in (tail, Block(tail.seal())):
            builder = PageBuilder(0, seen, 100)
            source.add_to(builder)
            assert [line for piece in builder.pieces for line in piece.split(b"\n")] == expected


@given(st.text())
def test_an_event_is_one_line(text: str) -> None:
    """Feeds join events by line breaks, so an event must not contain any."""
    event = sms("id")
    event.carrier = text
    body = encode(event)
    assert b"\n" not in body
    assert b"\r" not in body
    assert json.loads(body)["carrier"] == text


def test_a_missing_value_is_omitted_or_null() -> None:
    """A member without a value is omitted from agent events and is null in interaction events."""
    agent = AgentEvent(
        timestamp=1,
        client_id=2,
        agent_id=3,
        line_number="ACD",
        event_type="READY",
        seq_num=4,
        event_id="e",
    )
    assert encode(agent) == (
        b'{"timestamp":1,"clientId":2,"agentId":3,"lineNumber":"ACD","eventType":"READY",'
        b'"seqNum":4,"eventId":"e"}'
    )
    assert json.loads(encode(sms("id")))["carrier"] is None
    assert "campaignTypeId" not in json.loads(encode(sms("id")))
