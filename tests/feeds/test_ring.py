"""The rings: one memory for all feeds, and what falls out comes back from the store."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.feeds.blocks import SEAL_BYTES
from floorcast.feeds.feed import Feed
from floorcast.feeds.filters import EVERYTHING
from floorcast.feeds.ring import SEAL_AGE, ByteCache, Rings
from floorcast.model.token import end_of_entry, position
from floorcast.store.projection_store import ProjectionStore
from tests.feeds.stores import MemoryStore
from tests.virtual_time import START, VirtualLoop, run

LIMIT = 400_000


def fill(feed: Feed, entry: int, events: int = 1000) -> None:
    """An entry with that many events of a hundred bytes."""
    records = [(position(entry, i), ("VOICE", 1, 1), b"%100d" % i) for i in range(events)]
    feed.publish(records, end_of_entry(entry), START + entry)


def test_all_feeds_share_one_memory() -> None:
    """A thousand feeds hold no more than one would; the oldest blocks go, whosesoever."""
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


def test_what_a_quiet_feed_has_is_sealed_after_a_while() -> None:
    """Then it falls under the limit like everything else."""
    rings = Rings(MemoryStore(), LIMIT)
    quiet, busy = Feed(1, "agent", rings), Feed(2, "agent", rings)
    fill(quiet, 1, events=5)
    fill(busy, 3 * SEAL_AGE, events=5)
    rings.seal(before=START + 2 * SEAL_AGE)
    assert quiet.tail_bytes == 0
    assert busy.tail_bytes > 0
    rings.seal()
    assert busy.tail_bytes == 0


def test_the_mirror_is_such_a_store() -> None:
    """Also for the feed that is made anew after a restart: it begins where the mirror ends."""

    async def work(_loop: VirtualLoop) -> None:
        mirror = ProjectionStore(None, lambda: START, identity="log", heads={1: 10**6})
        rings = Rings(mirror, 2 * SEAL_BYTES)
        feed = Feed(1, "interaction", rings)
        for entry in range(1, 60):
            fill(feed, entry)
        feed.seal()
        for anew in (feed, Feed(1, "interaction", Rings(mirror, LIMIT), end_of_entry(3))):
            fill(anew, 59)
            cursor, got = 0, 0
            while (page := await anew.page(cursor, EVERYTHING, 700)).count:
                cursor, got = page.cursor, got + page.count
            assert got == 59_000
        await mirror.close()

    run(work)


@given(
    st.integers(0, 50),
    st.lists(
        st.tuples(st.sampled_from(["put", "get", "drop"]), st.integers(0, 6), st.integers(1, 30))
    ),
)
def test_it_never_holds_more_than_its_limit(limit: int, steps: list[tuple[str, int, int]]) -> None:
    """And what it gives is what was put in last."""
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


def test_what_was_used_last_stays() -> None:
    """Asking counts as use."""
    cache: ByteCache[str] = ByteCache(3)
    for key in "abc":
        cache.put(key, key, 1)
    assert cache.get("a") == "a"
    cache.put("d", "d", 1)
    assert [cache.get(key) for key in "abcd"] == ["a", None, "c", "d"]
    cache.put("a", "too large", 4)
    assert cache.get("a") is None
