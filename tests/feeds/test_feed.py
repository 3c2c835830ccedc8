"""Tests that a feed delivers each event once, like a simple list, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from floorcast.feeds import blocks
from floorcast.feeds.blocks import Page, Record
from floorcast.feeds.feed import POLL_SECONDS, Feed
from floorcast.feeds.filters import EVERYTHING, Filter, Matcher, matcher
from floorcast.feeds.ring import Rings
from floorcast.model.token import end_of_entry, position
from floorcast.store.segment import Facets
from tests.feeds.stores import MemoryStore
from tests.search import tries
from tests.virtual_time import VirtualLoop, run

CLASSES: list[Facets] = [
    ("VOICE", 1, 10),
    ("VOICE", 2, None),
    ("SMS", 1, 10),
    ("EMAIL", 3, 20),
    ("SMS", None, None),
]
FILTERS = st.builds(
    Filter,
    kinds=st.none() | st.frozensets(st.sampled_from(["VOICE", "SMS", "EMAIL"]), min_size=1),
    services=st.none() | st.frozensets(st.sampled_from([1, 2, 3, 9]), min_size=1),
    call_centers=st.none() | st.frozensets(st.sampled_from([10, 20, 30]), min_size=1),
)
SIGHTS = st.none() | st.frozensets(st.sampled_from([10, 20]), min_size=1)


def record(at: int, facets: Facets = CLASSES[0], size: int = 0) -> Record:
    """Return an event that contains its position."""
    return at, facets, b'{"at":%d,"pad":"%b"}' % (at, b"x" * size)


def read(feed: Feed, cursor: int, sight: Matcher = EVERYTHING, count: int = 1000) -> Page:
    """Return one page."""
    return run(lambda _loop: feed.page(cursor, sight, count))


def bodies(page: Page) -> list[bytes]:
    """Return the events of a page."""
    return page.lines.split(b"\n") if page.lines else []


@dataclass
class Reader:
    """Follows a feed like a client, and keeps the events."""

    sight: Matcher
    began: int
    cursor: int
    got: list[bytes] = field(default_factory=list)


class Feeds(RuleBasedStateMachine):
    """Publishes, seals, crashes and reads at random, and compares with a list of all events."""

    @initialize(limit=st.sampled_from([0, 2_000, 20_000, 10_000_000]))
    def begin(self, limit: int) -> None:
        self.limit = limit
        self.store = MemoryStore()
        self.entry = 0
        self.history: list[tuple[Sequence[Record], int]] = []
        self.events: list[Record] = []
        self.readers: list[Reader] = []
        self.restart()

    def restart(self) -> None:
        self.rings = Rings(self.store, self.limit)
        self.feed = Feed(7, "interaction", self.rings)

    @rule(
        kinds=st.lists(st.integers(0, len(CLASSES) - 1), max_size=30),
        times=st.integers(1, 60),
        gap=st.integers(0, 3),
    )
    def publish(self, kinds: list[int], times: int, gap: int) -> None:
        """Publish an entry with up to 1,800 events in two slices, after entries without events."""
        self.entry += 1 + gap
        records = [
            record(position(self.entry, 2 * index), CLASSES[kind], size=index % 7)
            for index, kind in enumerate(kinds * times)
        ]
        half = len(records) // 2
        slices = [(records[half:], end_of_entry(self.entry))]
        if half:
            slices.insert(0, (records[:half], records[half - 1][0]))
        for piece, through in slices:
            self.feed.publish(piece, through, self.entry)
            self.history.append((piece, through))
        self.events += records

    @rule()
    def seal(self) -> None:
        """Seal the tail, as after a second without events or for a snapshot."""
        self.rings.seal()

    @rule(back=st.integers(0, 5))
    def crash(self, back: int) -> None:
        """Restart after a crash, and publish some past events again."""
        self.restart()
        covered = self.feed.through
        at = sum(through <= covered for _, through in self.history)
        for records, through in self.history[max(0, at - back) :]:
            self.feed.publish(records, through, 0)

    @precondition(lambda self: len(self.readers) < 6)
    @rule(a_filter=FILTERS, sight=SIGHTS, data=st.data())
    def join(self, a_filter: Filter, sight: frozenset[int] | None, data: st.DataObject) -> None:
        """Start a reader from now or from any past position."""
        positions = [0, self.feed.through] + [at for at, _, _ in self.events[-50:]]
        cursor = data.draw(st.sampled_from(positions))
        self.readers.append(Reader(matcher(a_filter, sight), cursor, cursor))

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), count=st.sampled_from([1, 3, 500, 700, 1000]))
    def read(self, data: st.DataObject, count: int) -> None:
        """Read a reader's next page."""
        reader = data.draw(st.sampled_from(self.readers))
        page = read(self.feed, reader.cursor, reader.sight, count)
        assert page.cursor >= reader.cursor
        assert page.count == len(bodies(page)) <= count
        assert page.at_head or page.count == count
        reader.cursor = page.cursor
        reader.got += bodies(page)
        assert reader.got == self.expected(reader, reader.cursor)

    def expected(self, reader: Reader, through: int) -> list[bytes]:
        return [
            body
            for at, facets, body in self.events
            if reader.began < at <= through and reader.sight(facets)
        ]

    @invariant()
    def memory_is_bounded(self) -> None:
        """Check that the rings stay within their limit plus one tail, whatever was published."""
        if hasattr(self, "rings"):
            assert self.rings.bytes <= self.limit + blocks.SEAL_BYTES

    def teardown(self) -> None:
        """Check that in the end every reader has every event."""
        for reader in getattr(self, "readers", []):
            at_head = False
            while not at_head:
                page = read(self.feed, reader.cursor, reader.sight, 500)
                reader.cursor, at_head = page.cursor, page.at_head
                reader.got += bodies(page)
            assert reader.got == self.expected(reader, self.feed.through)


TestFeeds = Feeds.TestCase
TestFeeds.settings = settings(max_examples=tries(40), stateful_step_count=30, deadline=None)


SMS = matcher(Filter(kinds=frozenset({"SMS"})))


def polled(feed: Feed, cursor: int, sight: Matcher = EVERYTHING) -> Awaitable[Page]:
    """Run a long poll from a cursor, as a request does."""

    async def whole() -> Page:
        page = await feed.page(cursor, sight, 500)
        gone = asyncio.get_running_loop().create_future()
        return page if page.count else await feed.poll(page, sight, 500, gone)

    return whole()


@settings(max_examples=tries(50), deadline=None)
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
def test_the_first_visible_event_ends_a_poll(moments: list[tuple[float, str]]) -> None:
    """A poll ends with the first visible event, or after 10 s if there is none."""

    async def work(loop: VirtualLoop) -> None:
        feed = Feed(1, "interaction", Rings(MemoryStore(), 1000))
        ordered = sorted(moments)
        for number, (moment, kind) in enumerate(ordered, 1):
            records = [(position(number, 0), (kind, 1, 1), b"{}")] if kind else []
            loop.call_later(moment, feed.publish, records, end_of_entry(number), number)
        page = await polled(feed, 0, SMS)
        first = min([moment for moment, kind in ordered if kind == "SMS"], default=99)
        assert loop.elapsed == pytest.approx(min(first, POLL_SECONDS))
        assert page.count == (1 if first < POLL_SECONDS else 0)
        passed = sum(moment <= loop.elapsed + 0.01 for moment, _ in ordered)
        assert page.cursor == (end_of_entry(passed) if passed else 0)

    run(work)


def test_one_event_ends_all_polls() -> None:
    """One event ends the polls of all readers, which get the same page."""

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
    """After a release, neither waiting readers nor later ones wait."""

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
