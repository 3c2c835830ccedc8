"""Tests of a client's stream: its head and its followers."""

from __future__ import annotations

import asyncio

from floorcast.log.client_streams import Stream, make_entries, select_new_events
from floorcast.log.port import Entry, Head
from floorcast.log.tuning import LogTuning
from floorcast.model.token import MAX_INDEX
from tests.log.batches import batch

KEYS = [b"a", b"b", b"a", b"c"]


def test_batch_of_new_events_is_used_unchanged() -> None:
    """The batch's events are not examined one by one."""
    whole = batch(1, "abcd")
    new_events = select_new_events(whole, [b"1", b"2", b"3", b"4"], set())
    assert new_events.lines is whole.lines
    assert new_events.events is whole.events
    assert new_events.duplicates == ()


def test_stored_and_repeated_events_are_left_out() -> None:
    """Lines, events and keys stay parallel."""
    new_events = select_new_events(batch(1, "abac"), KEYS, {b"b"})
    assert list(new_events.duplicates) == [1, 2]
    assert list(new_events.keys) == [b"a", b"c"]
    assert [event.id for event in new_events.events] == ["a", "c"]
    assert [line.count(b'"id":"a"') for line in new_events.lines] == [1, 0]


def test_entry_size_is_limited_by_the_event_index() -> None:
    """The index of an event within its entry must fit into a position."""
    assert LogTuning().entry_events == MAX_INDEX + 1


def test_large_batch_becomes_several_entries() -> None:
    """Entries are in order, each with its own number and time."""
    heads = iter([Head(5, 50), Head(6, 51)])
    new_events = select_new_events(batch(1, "abc"), [b"a", b"b", b"c"], set())
    first, second = make_entries(1, new_events, lambda: next(heads), 2)
    assert (first.number, first.recorded_at, first.count) == (5, 50, 2)
    assert (second.number, second.recorded_at, second.count) == (6, 51, 1)
    assert first.payload + b"\n" + second.payload == b"\n".join(new_events.lines)
    assert first.events is not None
    assert [event.id for event in first.events] == ["a", "b"]


def test_batch_without_new_events_makes_no_entry() -> None:
    """No entry number is used."""
    assert (
        make_entries(1, select_new_events(batch(1, "a"), [b"a"], {b"a"}), lambda: Head(0, 0)) == []
    )


def entry(number: int) -> Entry:
    return Entry(1, number, number, "events", 1, b"{}")


def test_planned_entries_follow_earlier_planned_entries() -> None:
    """Planned entries follow earlier planned ones, and are dropped after a failure."""
    stream = Stream(1, Head(3, 100), 20_000)
    assert [stream.next(90), stream.next(90), stream.next(200)] == [(4, 101), (5, 102), (6, 200)]
    assert stream.head == (3, 100)
    stream.discard_planned()
    assert stream.next(90) == (4, 101)


def test_followers_do_not_wait_for_each_other() -> None:
    """A follower that does not read holds up neither the stream nor the others."""

    async def follow() -> list[int]:
        stream = Stream(1, Head(0, 0), 20_000)
        stored: list[Entry] = []
        reads: list[int] = []

        def read(after: int, limit: int) -> list[Entry]:
            reads.append(after)
            return stored[after : after + limit]

        quick, slow = stream.follow(0, read), stream.follow(0, read)
        waiting = [asyncio.ensure_future(anext(each)) for each in (quick, slow)]
        await asyncio.sleep(0)
        numbers: list[int] = []
        for number in range(1, 100):
            stored.append(entry(number))
            stream.publish(stored[-1])
            if number == 1:
                assert [(await each).number for each in waiting] == [1, 1]
            else:
                numbers.append((await anext(quick)).number)
        assert numbers == list(range(2, 100))
        assert reads == []
        rest = [(await anext(slow)).number for _ in range(2, 100)]
        await quick.aclose()
        await slow.aclose()
        return rest

    assert asyncio.run(follow()) == list(range(2, 100))
