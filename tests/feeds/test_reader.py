"""One reader's times: keep-alives, the close, the end of its session, and being slow."""

from __future__ import annotations

import itertools

import pytest

from floorcast.feeds.channels import WRITE_BYTES, Subscription
from floorcast.feeds.feed import Feed
from floorcast.feeds.filters import Filter, matcher
from floorcast.feeds.reader import CLOSE, KEEPALIVE, STUCK
from floorcast.feeds.ring import Rings
from floorcast.feeds.sse import StreamFormat
from floorcast.feeds.wheel import TICK
from floorcast.model.token import end_of_entry, position
from tests.feeds.connections import HIGH, Caller, Connection, messages, plain
from tests.feeds.stores import MemoryStore
from tests.virtual_time import VirtualLoop, run

PLAIN = StreamFormat(chunked=False)
FORMS = [StreamFormat(*flags) for flags in itertools.product((False, True), repeat=3)]
SMS = matcher(Filter(kinds=frozenset({"SMS"})))


class Desk:
    """A feed with its streams."""

    def __init__(self) -> None:
        self.rings = Rings(MemoryStore(), 1 << 20)
        self.feed = Feed(1, "interaction", self.rings)
        self.entry = 0

    def publish(self, count: int = 1, kind: str = "SMS", size: int = 1) -> None:
        """An entry with so many events."""
        self.entry += 1
        body = b'"%b"' % (b"x" * size)
        records = [(position(self.entry, i), (kind, 1, 1), body) for i in range(count)]
        self.feed.publish(records, end_of_entry(self.entry), self.entry)

    def open(
        self, form: StreamFormat = PLAIN, caller: Caller | None = None, window: int | None = None
    ) -> Connection:
        """A reader of SMS from now."""
        subscription = Subscription(SMS, 500, form)
        reader = self.feed.streams.open(subscription, self.feed.through, caller or Caller())
        return Connection(reader, window)


def test_silence_is_filled_every_ten_seconds_and_ends_after_five_minutes() -> None:
    """Counted from the last event that this reader sees, whatever others see."""

    async def work(loop: VirtualLoop) -> None:
        desk = Desk()
        connection = desk.open()
        loop.call_later(14, desk.publish)
        for second in range(0, 330, 3):
            loop.call_later(second + 0.5, desk.publish, 1, "VOICE")
        await loop.passing(400)
        said = messages(bytes(connection.got))
        times = [float(one.split()[2]) for one in said if one.startswith(b": keepalive")]
        expected = [10.0] + [14 + KEEPALIVE * number for number in range(1, 30)]
        assert len(times) == len(expected)
        for found, wanted in zip(times, expected, strict=True):
            assert wanted <= found <= wanted + 30 * TICK
        assert said[1] == b'data: "x"'
        assert said[-1].startswith(b": closed: no event for 5 minutes")
        ended = float(said[-1].split()[-1])
        assert 14 + CLOSE <= ended <= 14 + CLOSE + TICK
        assert connection.lost
        assert not desk.rings.streams.readers
        assert not desk.feed.streams.some

    run(work)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_ends_as_it_should(form: StreamFormat) -> None:
    """The last chunk and gzip's CRC are there, so that nobody takes it for broken."""

    async def work(loop: VirtualLoop) -> None:
        desk = Desk()
        connection = desk.open(form)
        desk.publish(3)
        await loop.passing(25)
        desk.rings.release()
        await loop.passing(1)
        assert connection.lost
        assert connection.got.endswith(b"0\r\n\r\n") == form.chunked
        text = plain(connection.got, form)
        assert text.count(b"data: ") == 3
        assert text.count(b": keepalive ") == 2
        assert b": closed: the server stops\n\n" in text
        assert text.endswith(b"id: %d\n\n" % desk.feed.through) == form.ids
        late = desk.open(form)
        await loop.passing(0.1)
        assert late.lost

    run(work)


def test_a_session_that_is_lost_ends_its_stream() -> None:
    """Also one that never is without events; asking keeps the session in use."""

    async def work(loop: VirtualLoop) -> None:
        desk, caller = Desk(), Caller()
        connection = desk.open(caller=caller)
        for second in range(60):
            loop.call_later(second, desk.publish)
        await loop.passing(45)
        assert caller.asked >= 4
        caller.why = "the session is unknown or has ended"
        await loop.passing(KEEPALIVE + TICK)
        assert connection.got.endswith(b": closed: the session is unknown or has ended\n\n")
        assert connection.lost

    run(work)


def test_a_reader_that_takes_nothing_costs_a_cursor_and_is_closed_after_a_minute() -> None:
    """Beside it, another gets everything."""

    async def work(loop: VirtualLoop) -> None:
        desk = Desk()
        slow, quick = desk.open(window=1000), desk.open()
        for _ in range(300):
            desk.publish(100, size=700)
            await loop.passing(0.1)
        assert slow.most <= HIGH + WRITE_BYTES + 1000
        assert len(slow.got) == 1000
        assert plain(quick.got, PLAIN).count(b"data: ") == 30_000
        assert desk.rings.streams.counts.slow == 0
        await loop.passing(STUCK - 30 + KEEPALIVE + TICK)
        assert slow.lost
        assert not quick.lost
        assert desk.rings.streams.counts.slow == 1

    run(work)


def test_a_reader_that_takes_a_little_is_let_be() -> None:
    """And gets everything in the end."""

    async def work(loop: VirtualLoop) -> None:
        desk = Desk()
        slow = desk.open(window=0)
        desk.publish(1000, size=700)
        for _ in range(20):
            await loop.passing(50)
            slow.take(100)
        assert not slow.lost
        slow.take_all()
        await loop.passing(1)
        assert plain(slow.got, PLAIN).count(b"data: ") == 1000

    run(work)


def test_an_ended_reader_that_does_not_take_its_end_is_cut_off() -> None:
    """A close waits for what is unsent, and not for ever."""

    async def work(loop: VirtualLoop) -> None:
        desk, caller = Desk(), Caller(why="no")
        connection = desk.open(caller=caller, window=0)
        await loop.passing(KEEPALIVE + TICK)
        assert (connection.closing, connection.lost) == (True, False)
        await loop.passing(STUCK + KEEPALIVE + TICK)
        assert connection.lost
        assert desk.rings.streams.counts.slow == 0

    run(work)
