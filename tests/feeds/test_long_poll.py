"""Long polling: at once, at the first event, or after ten seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.feeds.blocks import Page
from floorcast.feeds.feed import Feed
from floorcast.feeds.filters import EVERYTHING, Filter, Matcher, matcher
from floorcast.feeds.long_poll import POLL_WAIT, poll
from floorcast.feeds.ring import Rings
from floorcast.model.token import end_of_entry, position
from tests.feeds.stores import MemoryStore
from tests.virtual_time import VirtualLoop, run

SMS = matcher(Filter(kinds=frozenset({"SMS"})))


def polled(feed: Feed, cursor: int, sight: Matcher = EVERYTHING) -> Awaitable[Page]:
    """A long poll from a cursor, as a request makes it."""

    async def whole() -> Page:
        page = await feed.page(cursor, sight, 500)
        gone = asyncio.get_running_loop().create_future()
        return page if page.count else await poll(feed, page, sight, 500, gone)

    return whole()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 120)
            .filter(lambda tenths: tenths != 100)
            .map(lambda tenths: tenths / 10),
            st.sampled_from(["SMS", "VOICE", ""]),
        ),
        max_size=8,
        unique_by=lambda moment: moment[0],
    )
)
def test_the_first_event_that_is_seen_ends_the_wait(moments: list[tuple[float, str]]) -> None:
    """Not an event that is not seen, nor an entry without events; and never later than 10 s."""

    async def work(loop: VirtualLoop) -> None:
        feed = Feed(1, "interaction", Rings(MemoryStore(), 1000))
        ordered = sorted(moments)
        for number, (moment, kind) in enumerate(ordered, 1):
            records = [(position(number, 0), (kind, 1, 1), b"{}")] if kind else []
            loop.call_later(moment, feed.publish, records, end_of_entry(number), number)
        page = await polled(feed, 0, SMS)
        first = min([moment for moment, kind in ordered if kind == "SMS"], default=99)
        assert loop.elapsed == pytest.approx(min(first, POLL_WAIT))
        assert page.count == (1 if first < POLL_WAIT else 0)
        passed = sum(moment <= loop.elapsed + 0.01 for moment, _ in ordered)
        assert page.cursor == (end_of_entry(passed) if passed else 0)

    run(work)


def test_a_crowd_is_answered_by_one_event() -> None:
    """Each once, with the same page."""

    async def work(loop: VirtualLoop) -> None:
        feed = Feed(1, "interaction", Rings(MemoryStore(), 100_000))
        crowd = [asyncio.ensure_future(polled(feed, 0)) for _ in range(2000)]
        await loop.passing(3)
        assert feed.waiting == 2000
        feed.publish([(position(1, 0), ("SMS", 1, 1), b"{}")], end_of_entry(1), 1)
        pages = await asyncio.gather(*crowd)
        assert len({id(page) for page in pages}) == 1
        assert loop.elapsed == pytest.approx(3)
        assert feed.waiting == 0

    run(work)


def test_released_feeds_do_not_wait() -> None:
    """Neither those that wait already nor those that come then."""

    async def work(loop: VirtualLoop) -> None:
        rings = Rings(MemoryStore(), 1000)
        feed = Feed(1, "agent", rings)
        waiting = asyncio.ensure_future(polled(feed, 0))
        await loop.passing(1)
        rings.release()
        assert (await waiting).count == 0
        assert (await polled(feed, 0)).count == 0
        assert loop.elapsed == pytest.approx(1)

    run(work)
