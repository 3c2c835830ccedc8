"""Tests that all feeds share one memory, and that evicted blocks are read from the store."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.feeds.blocks import SEAL_BYTES
from floorcast.feeds.feed import Feed
from floorcast.feeds.filters import EVERYTHING, Filter, matcher
from floorcast.feeds.ring import SEAL_AGE, WAKE_SLICE, ByteCache, Rings, Waiters, Waker
from floorcast.model.token import end_of_entry, position
from floorcast.store.projection_store import ProjectionStore
from tests.feeds.stores import MemoryStore
from tests.virtual_time import START, VirtualLoop, run

LIMIT = 400_000


def fill(feed: Feed, entry: int, events: int = 1000) -> None:
    """Publish an entry with this many events of a hundred bytes each."""
    records = [(position(entry, i), ("VOICE", 1, 1), b"%100d" % i) for i in range(events)]
    feed.publish(records, end_of_entry(entry), START + entry)


def test_all_feeds_share_one_memory_budget() -> None:
    """Many feeds use no more memory than one. The oldest block of any feed is evicted first."""
    store = MemoryStore()
    rings = Rings(store, LIMIT)
    feeds = [Feed(client, "agent", rings) for client in range(100)]
    for feed in feeds:
        fill(feed, 1)
    assert rings.bytes <= LIMIT
    assert rings.counts.seals == 100
    run(lambda _loop: feeds[99].page(0, EVERYTHING, 1000))
    assert store.reads == 0
    page = run(lambda _loop: feeds[0].page(0, EVERYTHING, 1000))
    assert page.count == 1000
    assert store.reads == 1
    assert rings.bytes <= LIMIT


def test_the_tail_of_a_quiet_feed_is_sealed() -> None:
    """A quiet feed's events are sealed after a while, so that they count toward the limit."""
    rings = Rings(MemoryStore(), LIMIT)
    quiet, busy = Feed(1, "agent", rings), Feed(2, "agent", rings)
    fill(quiet, 1, events=5)
    fill(busy, 3 * SEAL_AGE, events=5)
    rings.seal(before=START + 2 * SEAL_AGE)
    assert quiet.tail_bytes == 0
    assert busy.tail_bytes > 0
    rings.seal()
    assert busy.tail_bytes == 0


def test_a_new_feed_starts_at_the_end_of_the_store() -> None:
    """A feed created after a restart starts at the end of the store."""

    async def work(_loop: VirtualLoop) -> None:
        store = ProjectionStore(None, lambda: START, identity="log", heads={1: 10**6})
        rings = Rings(store, 2 * SEAL_BYTES)
        feed = Feed(1, "interaction", rings)
        for entry in range(1, 60):
            fill(feed, entry)
        feed.seal()
        for anew in (feed, Feed(1, "interaction", Rings(store, LIMIT), end_of_entry(3))):
            fill(anew, 59)
            cursor, got = 0, 0
            while (page := await anew.page(cursor, EVERYTHING, 700)).count:
                cursor, got = page.cursor, got + page.count
            assert got == 59_000
        await store.close()

    run(work)


@given(
    st.integers(0, 50),
    st.lists(
        st.tuples(st.sampled_from(["put", "get", "drop"]), st.integers(0, 6), st.integers(1, 30))
    ),
)
def test_the_cache_never_exceeds_its_limit(limit: int, steps: list[tuple[str, int, int]]) -> None:
    """The cache never exceeds its limit, and returns only the latest value of a key."""
    cache: ByteCache[int] = ByteCache(limit)
    last: dict[int, int] = {}
    for step, key, size in steps:
        if step == "put":
            cache.put(key, size, size)
            last[key] = size
        elif step == "drop":
            cache.drop(key)
        assert cache.get(key) in (None, last.get(key))
        assert cache.bytes <= limit
        assert (cache.bytes == 0) == (len(cache) == 0)


def test_the_least_recently_used_value_is_dropped() -> None:
    """The least recently used value is dropped first. Reading a value counts as use."""
    cache: ByteCache[str] = ByteCache(3)
    for key in "abc":
        cache.put(key, key, 1)
    assert cache.get("a") == "a"
    cache.put("d", "d", 1)
    assert [cache.get(key) for key in "abcd"] == ["a", None, "c", "d"]
    cache.put("a", "too large", 4)
    assert cache.get("a") is None


SMS = matcher(Filter(kinds=frozenset({"SMS"})))


async def turn() -> None:
    """Run everything that is ready once."""
    await asyncio.sleep(0)


def test_a_reader_is_woken_only_by_visible_events() -> None:
    """A reader is woken only by events that its filter selects."""

    async def work(loop: VirtualLoop) -> None:
        waiters = Waiters(Waker())
        everybody = asyncio.ensure_future(waiters.wait(EVERYTHING, 10, None))
        sms = asyncio.ensure_future(waiters.wait(SMS, 10, None))
        await turn()
        waiters.notify([("VOICE", 1, 1), ("EMAIL", 1, 1)])
        assert await everybody is False
        assert len(waiters) == 1
        assert await sms is True
        assert loop.elapsed == pytest.approx(10)
        assert len(waiters) == 0

    run(work)


def test_readers_are_woken_in_slices() -> None:
    """The limit per turn applies to all feeds together, so that other work runs in between."""

    async def work(_loop: VirtualLoop) -> None:
        waker = Waker()
        one, other = Waiters(waker), Waiters(waker)
        woken = 0

        async def wait(waiters: Waiters) -> None:
            nonlocal woken
            await waiters.wait(EVERYTHING, 10, None)
            woken += 1

        tasks = [asyncio.ensure_future(wait(one if i % 2 else other)) for i in range(700)]
        await turn()
        one.notify([("VOICE", 1, 1)])
        other.notify([("VOICE", 1, 1)])
        most = 0
        while woken < 700:
            before = woken
            await turn()
            most = max(most, woken - before)
        assert most == WAKE_SLICE
        await asyncio.gather(*tasks)

    run(work)


def test_an_event_in_the_turn_in_which_the_wait_ends_is_not_missed() -> None:
    """If the wait ends in the same turn in which an event arrives, the reader reads again."""

    async def work(loop: VirtualLoop) -> None:
        waiters = Waiters(Waker())
        waiting = asyncio.ensure_future(waiters.wait(EVERYTHING, 5, None))
        await turn()
        loop.call_later(5, waiters.notify, [("VOICE", 1, 1)])
        assert await waiting is False

    run(work)


def test_a_disconnected_or_cancelled_reader_leaves_nothing_behind() -> None:
    """A reader leaves nothing behind if it is cancelled or leaves, before or after it is woken."""

    async def work(_loop: VirtualLoop) -> None:
        waiters = Waiters(Waker())
        gone = asyncio.get_running_loop().create_future()
        leaving = asyncio.ensure_future(waiters.wait(EVERYTHING, 10, gone))
        tasks = [asyncio.ensure_future(waiters.wait(EVERYTHING, 10, None)) for _ in range(300)]
        await turn()
        gone.set_result(None)
        await leaving
        assert len(waiters) == 300
        tasks[0].cancel()
        await turn()
        waiters.notify([("VOICE", 1, 1)])
        tasks[299].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[1:299] == [False] * 298
        assert len(waiters) == 0

    run(work)


def test_a_reader_that_starts_to_wait_during_a_wake_is_not_woken() -> None:
    """A reader that starts to wait while others with its filter are being woken is not woken."""

    async def work(loop: VirtualLoop) -> None:
        waiters = Waiters(Waker())
        old = [asyncio.ensure_future(waiters.wait(SMS, 10, None)) for _ in range(200)]
        await turn()
        waiters.notify([("SMS", 1, 1)])
        new = asyncio.ensure_future(waiters.wait(SMS, 10, None))
        assert await asyncio.gather(*old) == [False] * 200
        assert await new is True
        assert loop.elapsed == pytest.approx(10)

    run(work)
