"""What is new in a batch, and how it becomes entries."""

from __future__ import annotations

from floorcast.log.batches import entries_of, news_of
from floorcast.log.port import Head
from floorcast.log.tuning import Tuning
from floorcast.model.token import MAX_INDEX
from tests.log.batches import batch

KEYS = [b"a", b"b", b"a", b"c"]


def test_a_batch_of_new_events_is_taken_as_it_is() -> None:
    """Without a look at its single events."""
    whole = batch(1, "abcd")
    news = news_of(whole, [b"1", b"2", b"3", b"4"], set())
    assert news.lines is whole.lines
    assert news.events is whole.events
    assert news.duplicates == ()


def test_what_is_held_and_what_comes_again_is_left_out() -> None:
    """Lines, events and keys stay side by side."""
    news = news_of(batch(1, "abac"), KEYS, {b"b"})
    assert list(news.duplicates) == [1, 2]
    assert list(news.keys) == [b"a", b"c"]
    assert [event.id for event in news.events] == ["a", "c"]
    assert [line.count(b'"id":"a"') for line in news.lines] == [1, 0]


def test_an_entry_has_no_more_events_than_a_place_can_name() -> None:
    """The index in an entry has to fit into a place."""
    assert Tuning().entry_events == MAX_INDEX + 1


def test_a_long_batch_becomes_several_entries() -> None:
    """In order, each with its own number and time."""
    heads = iter([Head(5, 50), Head(6, 51)])
    news = news_of(batch(1, "abc"), [b"a", b"b", b"c"], set())
    first, second = entries_of(1, news, lambda: next(heads), 2)
    assert (first.number, first.recorded_at, first.count) == (5, 50, 2)
    assert (second.number, second.recorded_at, second.count) == (6, 51, 1)
    assert first.payload + b"\n" + second.payload == b"\n".join(news.lines)
    assert first.events is not None
    assert [event.id for event in first.events] == ["a", "b"]


def test_nothing_new_makes_no_entry() -> None:
    """And takes no number."""
    assert entries_of(1, news_of(batch(1, "a"), [b"a"], {b"a"}), lambda: Head(0, 0)) == []
