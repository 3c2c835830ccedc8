"""Tests that a reader which resumes a stream gets each event once, as from a simple list."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from floorcast.feeds.blocks import Record
from floorcast.feeds.feed import Feed
from floorcast.feeds.filters import EVERYTHING, Filter, Matcher, matcher
from floorcast.feeds.ring import Rings
from floorcast.model.errors import Unavailable
from floorcast.model.token import end_of_entry, position
from floorcast.sse.channels import (
    BATCH_READERS,
    IDLE_SECONDS,
    KEEPALIVE_SECONDS,
    STUCK_SECONDS,
    WRITE_BYTES,
    subscribe,
)
from floorcast.sse.framing import StreamFormat
from floorcast.sse.hub import TICK_SECONDS, Hub
from floorcast.sse.subscription import Subscription
from floorcast.store.segment import Facets
from tests.feeds.stores import MemoryStore
from tests.search import tries
from tests.sse.connections import HIGH, Caller, Connection, messages, stream_text
from tests.virtual_time import VirtualLoop, run

CLASSES: list[Facets] = [("VOICE", 1, 10), ("VOICE", 2, None), ("SMS", 1, 10), ("EMAIL", 3, 20)]
SIGHTS: list[Matcher] = [
    EVERYTHING,
    matcher(Filter(kinds=frozenset({"VOICE"}))),
    matcher(Filter(services=frozenset({3})), frozenset({20})),
    matcher(visibility=frozenset({10})),
]
ANY_FORM = st.builds(StreamFormat, st.booleans(), st.booleans(), st.booleans())


@dataclass
class Follower:
    """Follows a feed through streams, and resumes after the last complete event."""

    sight: Matcher
    form: StreamFormat
    began: int
    got: list[bytes] = field(default_factory=list)
    connection: Connection | None = None
    whole: int = 0  # events from earlier connections

    @property
    def cursor(self) -> int:
        """The position to resume from."""
        return int(self.got[-1].split(b":")[1].split(b",")[0]) if self.got else self.began

    def read(self) -> None:
        """Read the events that have arrived."""
        if self.connection is None:
            return
        found = messages(stream_text(self.connection.got, self.form))
        self.got[self.whole :] = [
            line.removeprefix(b"data: ")
            for message in found
            for line in message.split(b"\n")
            if line.startswith(b"data: ")
        ]


class StreamsMachine(RuleBasedStateMachine):
    """Publishes, reads, disconnects, waits and restarts at random."""

    @initialize(limit=st.sampled_from([0, 20_000, 10_000_000]))
    def begin(self, limit: int) -> None:
        self.loop = VirtualLoop()
        self.runner = asyncio.Runner(loop_factory=lambda: self.loop)
        self.limit = limit
        self.store = MemoryStore()
        self.entry = 0
        self.events: list[Record] = []
        self.history: list[tuple[Sequence[Record], int]] = []
        self.followers: list[Follower] = []
        self.restart()

    def restart(self) -> None:
        self.rings = Rings(self.store, self.limit)
        self.hub = Hub()
        self.feed = Feed(7, "interaction", self.rings)

    def passing(self, seconds: float) -> None:
        self.runner.run(self.loop.passing(seconds))

    @rule(
        kinds=st.lists(st.integers(0, len(CLASSES) - 1), min_size=1, max_size=8),
        times=st.sampled_from([1, 1, 1, 40, 200]),
        size=st.sampled_from([0, 10, 700]),
        at_once=st.booleans(),
    )
    def publish(self, kinds: list[int], times: int, size: int, *, at_once: bool) -> None:
        """Publish an entry in two parts, possibly with a turn of the streams in between."""
        self.entry += 1
        records = [
            (position(self.entry, index), CLASSES[kind], b'{"at":%d,"pad":"%b"}')
            for index, kind in enumerate(kinds * times)
        ]
        records = [(at, facets, body % (at, b"x" * size)) for at, facets, body in records]
        half = len(records) // 2
        slices = [(records[half:], end_of_entry(self.entry))]
        if half:
            slices.insert(0, (records[:half], records[half - 1][0]))

        async def work() -> None:
            for piece, through in slices:
                self.feed.publish(piece, through, self.entry)
                if not at_once:
                    await self.loop.passing(0.001)

        self.history += slices
        self.events += records
        self.runner.run(work())

    @precondition(lambda self: len(self.followers) < 8)
    @rule(sight=st.sampled_from(SIGHTS), form=ANY_FORM, data=st.data())
    def follow(self, sight: Matcher, form: StreamFormat, data: st.DataObject) -> None:
        """Start a reader from now or from a past event."""
        positions = [self.feed.through] + [at for at, _, _ in self.events[-30:]]
        follower = Follower(sight, form, data.draw(st.sampled_from(positions)))
        self.followers.append(follower)
        self.connect(follower, data.draw(st.sampled_from([None, 0, 100, 5000])))

    def connect(self, follower: Follower, window: int | None) -> None:
        follower.whole = len(follower.got)

        async def work() -> None:
            subscription = Subscription(follower.sight, 500, follower.form)
            reader = subscribe(self.hub, self.feed, subscription, follower.cursor, Caller())
            follower.connection = Connection(reader, window)

        self.runner.run(work())

    @precondition(lambda self: self.followers)
    @rule(data=st.data(), size=st.integers(1, 200_000))
    def take(self, data: st.DataObject, size: int) -> None:
        """Let a slow reader read some bytes, which may end within an event."""
        connection = data.draw(st.sampled_from(self.followers)).connection
        if connection is not None and connection.window is not None:

            async def work() -> None:
                connection.take(size)

            self.runner.run(work())

    @precondition(lambda self: self.followers)
    @rule(data=st.data(), window=st.sampled_from([None, 0, 3000]))
    def break_off(self, data: st.DataObject, window: int | None) -> None:
        """Break a connection, and let the reader resume after its last complete event."""
        follower = data.draw(st.sampled_from(self.followers))
        self.lose(follower)
        self.connect(follower, window)

    def lose(self, follower: Follower) -> None:
        follower.read()
        if follower.connection is not None:
            self.runner.run(self._abort(follower.connection))
            follower.connection = None

    @staticmethod
    async def _abort(connection: Connection) -> None:
        connection.abort()
        await asyncio.sleep(0)

    @rule(seconds=st.sampled_from([0.01, 5, 11, 70, 301]))
    def wait(self, seconds: float) -> None:
        """Let time pass, with keep-alives, closed streams and slow readers."""
        self.passing(seconds)

    @rule()
    def seal(self) -> None:
        """Seal the tail."""
        self.rings.seal()

    @rule(back=st.integers(0, 5), kindly=st.booleans())
    def stop(self, back: int, *, kindly: bool) -> None:
        """Restart the server, and publish again the events that were not stored."""
        if kindly:
            self.runner.run(self._release())
        for follower in self.followers:
            self.lose(follower)
        if kindly:
            assert not self.hub.readers
        self.restart()
        at = sum(through <= self.feed.through for _, through in self.history)

        async def again() -> None:
            for records, through in self.history[max(0, at - back) :]:
                self.feed.publish(records, through, 0)

        for follower in self.followers[::2]:
            self.connect(follower, None)
        self.runner.run(again())
        for follower in self.followers[1::2]:
            self.connect(follower, None)

    async def _release(self) -> None:
        self.hub.release()
        await self.loop.passing(1)

    @precondition(lambda self: self.followers)
    @rule()
    def look(self) -> None:
        """Check that no reader has extra, missing or reordered events and that no buffer grows."""
        self.passing(0.1)
        for follower in self.followers:
            follower.read()
            expected = [
                body
                for at, facets, body in self.events
                if at > follower.began and follower.sight(facets)
            ]
            connection = follower.connection
            if connection is not None and connection.window is None and not connection.lost:
                assert follower.got == expected
            assert follower.got == expected[: len(follower.got)]
            if connection is not None:
                assert connection.most <= HIGH + 2 * WRITE_BYTES

    def teardown(self) -> None:
        """Check that in the end every reader has every event."""
        if not hasattr(self, "runner"):
            return
        try:
            for follower in self.followers:
                self.lose(follower)
                self.connect(follower, None)
            if self.followers:
                self.look()
        finally:
            self.runner.close()
            self.loop.close()  # a runner that never ran leaves the loop open


TestStreams = StreamsMachine.TestCase
TestStreams.settings = settings(max_examples=tries(60), stateful_step_count=30, deadline=None)


def test_many_readers_share_one_chunk_and_are_served_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All waiting events are sent in one write, with the same bytes for all readers."""
    monkeypatch.setattr(Hub, "turn_is_over", lambda _: True)

    async def work(loop: VirtualLoop) -> None:
        hub = Hub()
        feed = Feed(7, "interaction", Rings(MemoryStore(), 1 << 20))
        subscription = Subscription(EVERYTHING, 500, StreamFormat())
        crowd = [Connection(subscribe(hub, feed, subscription, 0, Caller())) for _ in range(1000)]
        await loop.passing(1)
        for entry in range(1, 4):
            feed.publish([(position(entry, 0), CLASSES[0], b"{}")], end_of_entry(entry), entry)
        await asyncio.sleep(0)
        assert sum(connection.writes for connection in crowd) == BATCH_READERS
        await loop.passing(0.1)
        assert {connection.writes for connection in crowd} == {1}
        assert {bytes(connection.got) for connection in crowd} == {
            b"21\r\ndata: {}\n\ndata: {}\n\ndata: {}\n\n\r\n".replace(b"21", b"%x" % 30)
        }
        assert hub.counts.events == 3000

    run(work)


def test_an_unreadable_store_ends_the_stream_with_a_comment() -> None:
    """A stream ends with a comment if the store cannot be read."""

    async def work(loop: VirtualLoop) -> None:
        store = MemoryStore()
        feed = Feed(7, "interaction", Rings(store, 0))
        for entry in range(1, 4):
            records = [(position(entry, index), CLASSES[0], b"{}") for index in range(1000)]
            feed.publish(records, end_of_entry(entry), entry)
        feed.seal()
        store.error = Unavailable("the log cannot be read")
        subscription = Subscription(EVERYTHING, 500, StreamFormat(chunked=False))
        connection = Connection(subscribe(Hub(), feed, subscription, 0, Caller()))
        await loop.passing(1)
        assert bytes(connection.got) == b": closed: the log cannot be read\n\n"
        assert connection.lost

    run(work)


def test_a_slow_reader_gets_the_closing_comment_of_an_unreadable_store() -> None:
    """A slow reader gets the comment when it reads again, if the store still fails."""

    async def work(loop: VirtualLoop) -> None:
        store = MemoryStore()
        feed = Feed(7, "interaction", Rings(store, 0))
        for entry in range(1, 4):
            records = [(position(entry, index), CLASSES[0], b"{}") for index in range(1000)]
            feed.publish(records, end_of_entry(entry), entry)
        feed.seal()
        store.error = Unavailable("the log cannot be read")
        subscription = Subscription(EVERYTHING, 500, StreamFormat(chunked=False))
        connection = Connection(subscribe(Hub(), feed, subscription, 0, Caller()))
        connection.protocol.pause_writing()
        await loop.passing(1)
        assert (bytes(connection.got), connection.lost) == (b"", False)
        connection.protocol.resume_writing()
        await loop.passing(1)
        assert bytes(connection.got) == b": closed: the log cannot be read\n\n"

    run(work)


def test_a_failing_write_closes_only_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader to which writing fails is closed. Others in its batch get a closing comment."""

    async def work(loop: VirtualLoop) -> None:
        feed = Feed(7, "interaction", Rings(MemoryStore(), 1 << 20))
        subscription = Subscription(EVERYTHING, 500, StreamFormat(chunked=False))
        crowd = [
            Connection(subscribe(Hub(), feed, subscription, 0, Caller()))
            for _ in range(3 * BATCH_READERS)
        ]
        await loop.passing(1)
        odd = crowd[BATCH_READERS]
        monkeypatch.setattr(odd.protocol, "write", fails)
        feed.publish([(position(1, 0), CLASSES[0], b"{}")], end_of_entry(1), 1)
        await loop.passing(1)
        told = [connection for connection in crowd if connection.lost]
        assert odd in told
        assert len(told) <= BATCH_READERS
        assert all(
            one.got.endswith(b": closed: the server failed\n\n") for one in told if one is not odd
        )
        assert all(one.got == b"data: {}\n\n" for one in crowd if one not in told)

    run(work)


def fails(_data: bytes) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("form", [StreamFormat(), StreamFormat(gzip=True)])
def test_an_unreported_reset_does_not_affect_other_readers(form: StreamFormat) -> None:
    """If the loop has not reported a reset yet, the other readers still get every event."""

    async def work(loop: VirtualLoop) -> None:
        feed = Feed(7, "interaction", Rings(MemoryStore(), 1 << 20))
        subscription = Subscription(EVERYTHING, 500, form)
        crowd = [Connection(subscribe(Hub(), feed, subscription, 0, Caller())) for _ in range(300)]
        await loop.passing(1)
        for connection in crowd[::100]:
            connection.lost = True
        for entry in (1, 2):
            feed.publish([(position(entry, 0), CLASSES[0], b"{}")], end_of_entry(entry), entry)
            await loop.passing(1)
        for index, connection in enumerate(crowd):
            seen = 0 if index % 100 == 0 else 2
            assert messages(stream_text(connection.got, form)) == [b"data: {}"] * seen
        await loop.passing(30)  # keep-alives fail for these readers, too
        assert not crowd[1].lost

    run(work)


PLAIN = StreamFormat(chunked=False)
FORMS = [StreamFormat(*flags) for flags in itertools.product((False, True), repeat=3)]
SMS = matcher(Filter(kinds=frozenset({"SMS"})))


class Floor:
    """A feed with its streams."""

    def __init__(self) -> None:
        self.rings = Rings(MemoryStore(), 1 << 20)
        self.hub = Hub()
        self.feed = Feed(1, "interaction", self.rings)
        self.entry = 0

    def publish(self, count: int = 1, kind: str = "SMS", size: int = 1) -> None:
        """Publish an entry with this many events."""
        self.entry += 1
        body = b'"%b"' % (b"x" * size)
        records = [(position(self.entry, i), (kind, 1, 1), body) for i in range(count)]
        self.feed.publish(records, end_of_entry(self.entry), self.entry)

    def open(
        self, form: StreamFormat = PLAIN, caller: Caller | None = None, window: int | None = None
    ) -> Connection:
        """Start a reader of SMS events from now."""
        subscription = Subscription(SMS, 500, form)
        reader = subscribe(self.hub, self.feed, subscription, self.feed.through, caller or Caller())
        return Connection(reader, window)


def test_a_silent_stream_has_keepalives_and_ends_after_five_minutes() -> None:
    """Keep-alives and the end of a silent stream are timed from the reader's own last event."""

    async def work(loop: VirtualLoop) -> None:
        floor = Floor()
        connection = floor.open()
        loop.call_later(14, floor.publish)
        for second in range(0, 330, 3):
            loop.call_later(second + 0.5, floor.publish, 1, "VOICE")
        await loop.passing(400)
        said = messages(bytes(connection.got))
        times = [float(one.split()[2]) for one in said if one.startswith(b": keepalive")]
        expected = [10.0] + [14 + KEEPALIVE_SECONDS * number for number in range(1, 30)]
        assert len(times) == len(expected)
        for found, wanted in zip(times, expected, strict=True):
            assert wanted <= found <= wanted + 30 * TICK_SECONDS
        assert said[1] == b'data: "x"'
        assert said[-1].startswith(b": closed: no event for 5 minutes")
        ended = float(said[-1].split()[-1])
        assert 14 + IDLE_SECONDS <= ended <= 14 + IDLE_SECONDS + TICK_SECONDS
        assert connection.lost
        assert not floor.hub.readers
        assert not floor.feed.listeners

    run(work)


@pytest.mark.parametrize("form", FORMS)
def test_every_format_has_a_correct_ending(form: StreamFormat) -> None:
    """A stream ends with its last chunk and gzip's CRC, so that it does not look broken."""

    async def work(loop: VirtualLoop) -> None:
        floor = Floor()
        connection = floor.open(form)
        floor.publish(3)
        await loop.passing(25)
        floor.hub.release()
        await loop.passing(1)
        assert connection.lost
        assert connection.got.endswith(b"0\r\n\r\n") == form.chunked
        text = stream_text(connection.got, form)
        assert text.count(b"data: ") == 3
        assert text.count(b": keepalive ") == 2
        assert b": closed: the server stops\n\n" in text
        assert text.endswith(b"id: %d\n\n" % floor.feed.through) == form.ids
        late = floor.open(form)
        await loop.passing(0.1)
        assert late.lost

    run(work)


def test_a_lost_session_ends_its_stream() -> None:
    """A stream ends when its session is lost. Until then, it counts as use of the session."""

    async def work(loop: VirtualLoop) -> None:
        floor, caller = Floor(), Caller()
        connection = floor.open(caller=caller)
        for second in range(60):
            loop.call_later(second, floor.publish)
        await loop.passing(45)
        assert caller.checks >= 4
        caller.why = "the session is unknown or has ended"
        await loop.passing(KEEPALIVE_SECONDS + TICK_SECONDS)
        assert connection.got.endswith(b": closed: the session is unknown or has ended\n\n")
        assert connection.lost

    run(work)


def test_a_stuck_reader_is_closed_after_a_minute() -> None:
    """A reader that takes nothing is closed. Meanwhile, another reader gets every event."""

    async def work(loop: VirtualLoop) -> None:
        floor = Floor()
        slow, quick = floor.open(window=1000), floor.open()
        for _ in range(300):
            floor.publish(100, size=700)
            await loop.passing(0.1)
        assert slow.most <= HIGH + WRITE_BYTES + 1000
        assert len(slow.got) == 1000
        assert stream_text(quick.got, PLAIN).count(b"data: ") == 30_000
        assert floor.hub.counts.slow == 0
        await loop.passing(STUCK_SECONDS - 30 + KEEPALIVE_SECONDS + TICK_SECONDS)
        assert slow.lost
        assert not quick.lost
        assert floor.hub.counts.slow == 1

    run(work)


def test_a_reader_that_makes_progress_is_kept() -> None:
    """A reader that takes a few bytes at a time is kept, and gets every event in the end."""

    async def work(loop: VirtualLoop) -> None:
        floor = Floor()
        slow = floor.open(window=0)
        floor.publish(1000, size=700)
        for _ in range(20):
            await loop.passing(50)
            slow.take(100)
        assert not slow.lost
        slow.take_all()
        await loop.passing(1)
        assert stream_text(slow.got, PLAIN).count(b"data: ") == 1000

    run(work)


def test_an_ended_reader_that_is_stuck_is_aborted() -> None:
    """Closing a stream waits for unsent data, but not forever."""

    async def work(loop: VirtualLoop) -> None:
        floor, caller = Floor(), Caller(why="no")
        connection = floor.open(caller=caller, window=0)
        await loop.passing(KEEPALIVE_SECONDS + TICK_SECONDS)
        assert (connection.closing, connection.lost) == (True, False)
        await loop.passing(STUCK_SECONDS + KEEPALIVE_SECONDS + TICK_SECONDS)
        assert connection.lost
        assert floor.hub.counts.slow == 0

    run(work)


def test_a_stream_without_rights_ends_at_once() -> None:
    """A stream ends at once if its rights were lost. Otherwise, events do not check them again."""

    async def work(loop: VirtualLoop) -> None:
        feed = Feed(7, "interaction", Rings(MemoryStore(), 1 << 20))
        subscription = Subscription(EVERYTHING, 500, StreamFormat(chunked=False))
        hub, lost, kept = Hub(), Caller(why="the session has ended"), Caller()
        refused = Connection(subscribe(hub, feed, subscription, 0, lost))
        reading = Connection(subscribe(hub, feed, subscription, 0, kept))
        await loop.passing(0)
        assert bytes(refused.got) == b": closed: the session has ended\n\n"
        for entry in (1, 2):
            record = (position(entry, 0), CLASSES[0], b"{}")
            feed.publish([record], end_of_entry(entry), entry)
            await loop.passing(0)
        assert bytes(reading.got) == b"data: {}\n\n" * 2
        assert (refused.lost, lost.checks, kept.checks) == (True, 1, 1)

    run(work)
