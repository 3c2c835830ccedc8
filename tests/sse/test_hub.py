"""Tests of the turns of all streams, and of the end of the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.sse.hub import TICK_SECONDS, TURN_SECONDS, Hub, Wheel
from tests.search import tries
from tests.virtual_time import VirtualLoop, run


@dataclass
class Work:
    """Work that takes time on a separate clock."""

    done: float = 0.0

    def clock(self) -> float:
        return self.done


@dataclass
class Crowd:
    """Waiting readers that take a millisecond each. ``turns`` holds the times of their turns."""

    left: int
    work: Work
    streams: Hub
    turns: list[float] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        return self.left > 0

    def advance(self) -> None:
        self.turns.append(self.work.done)
        while self.left:
            self.left -= 1
            self.work.done += 0.001
            if self.streams.turn_is_over():
                break


class Stubborn:
    """A stream that does not end by itself."""

    def __init__(self, streams: Hub) -> None:
        self.streams = streams
        self.told: list[str] = []

    def visit(self, now: float) -> float | None:
        return now + 10

    def end(self, why: str) -> None:
        self.told.append(why)

    def abort(self) -> None:
        self.told.append("aborted")
        self.streams.leave(self)


def test_turns_are_shared_among_all_waiting_groups() -> None:
    """A small feed does not wait until a large feed is done."""

    async def work(loop: VirtualLoop) -> None:
        busy = Work()
        streams = Hub(busy.clock)
        large, small = Crowd(1000, busy, streams), Crowd(2, busy, streams)
        between: list[float] = []

        def look() -> None:
            between.append(busy.done)
            if large.left:
                loop.call_soon(look)

        streams.enqueue(large)
        streams.enqueue(small)
        loop.call_soon(look)
        await loop.passing(1)
        assert (large.left, small.left) == (0, 0)
        assert small.turns == [pytest.approx(TURN_SECONDS)]
        # after each turn of the streams, other work had a turn of the loop
        assert max(b - a for a, b in pairwise(between)) == pytest.approx(TURN_SECONDS)

    run(work)


def test_draining_waits_for_closing_comments_until_the_timeout() -> None:
    """Streams that have not ended after the timeout are aborted."""

    async def work(loop: VirtualLoop) -> None:
        streams = Hub()
        await streams.drain(5)
        assert loop.elapsed == 0
        readers = [Stubborn(streams) for _ in range(300)]
        for reader in readers:
            streams.enter(reader, 10)
        streams.release()
        for reader in readers[1:]:
            loop.call_later(2, streams.leave, reader)
        await streams.drain(5)
        assert loop.elapsed == 5
        assert readers[0].told == ["the server stops", "aborted"]
        assert readers[1].told == ["the server stops"]

    run(work)


class Falling(Crowd):
    """A crowd that raises an error in its first turn."""

    def advance(self) -> None:
        super().advance()
        if len(self.turns) == 1:
            raise ZeroDivisionError


def test_a_failing_group_does_not_stop_the_others() -> None:
    """After one crowd fails, all crowds still get their turns. The loop handles the error."""

    async def work(loop: VirtualLoop) -> None:
        busy = Work()
        streams = Hub(busy.clock)
        told: list[object] = []
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        falling, other = Falling(100, busy, streams), Crowd(100, busy, streams)
        streams.enqueue(falling)
        streams.enqueue(other)
        await loop.passing(1)
        assert (falling.left, other.left) == (0, 0)
        assert [type(one) for one in told] == [ZeroDivisionError]

    run(work)


class Guest:
    """A reader that asks to be visited at these times in sequence."""

    def __init__(self, loop: VirtualLoop, times: list[float]) -> None:
        self.loop = loop
        self.times = times
        self.visits: list[float] = []

    def visit(self, now: float) -> float | None:
        self.visits.append(now)
        return self.times[len(self.visits)] if len(self.visits) < len(self.times) else None

    def end(self, why: str) -> None:
        """Do nothing; the test never calls it."""

    def abort(self) -> None:
        """Do nothing; the test never calls it."""


@settings(max_examples=tries(50), deadline=None)
@given(st.lists(st.lists(st.floats(0.01, 60), min_size=1, max_size=4), max_size=300))
def test_each_reader_is_visited_when_it_asked_to_be(wishes: list[list[float]]) -> None:
    """A visit is up to a tick late. A time in the past means the next tick."""

    async def work(loop: VirtualLoop) -> None:
        wheel: Wheel[Guest] = Wheel()
        guests = [Guest(loop, times) for times in wishes]
        for guest in guests:
            wheel.add(guest, guest.times[0])
        await loop.passing(130)
        for guest in guests:
            assert len(guest.visits) == len(guest.times)
            before = 0.0
            for subscription, visit in zip(guest.times, guest.visits, strict=True):
                assert (
                    max(subscription, before) - 1e-5
                    <= visit
                    <= max(subscription, before) + TICK_SECONDS + 1e-5
                )
                before = visit

    run(work)


def test_the_timer_stops_without_readers() -> None:
    """The timer stops when there are no readers, and starts again with the next one."""

    async def work(loop: VirtualLoop) -> None:
        wheel: Wheel[Guest] = Wheel()
        for _ in range(2):
            guest = Guest(loop, [loop.time() + 3])
            wheel.add(guest, loop.time() + 3)
            await loop.passing(1000)
            assert len(guest.visits) == 1

    run(work)


class Broken(Stubborn):
    """A stream that fails in every method."""

    def visit(self, now: float) -> float | None:
        raise ZeroDivisionError

    def end(self, why: str) -> None:
        raise ZeroDivisionError

    def abort(self) -> None:
        super().abort()
        raise ZeroDivisionError


def test_a_failing_visit_aborts_only_its_reader() -> None:
    """A reader whose visit fails is aborted, and the others are still visited."""

    async def work(loop: VirtualLoop) -> None:
        hub = Hub()
        broken = Broken(hub)
        early, late = Guest(loop, [1, 2, 30]), Guest(loop, [50, 60])
        hub.enter(broken, 1)
        hub.enter(early, 1)
        await loop.passing(40)
        assert (len(early.visits), broken.told) == (3, ["aborted"])
        hub.enter(late, 50)
        await loop.passing(40)
        assert len(late.visits) == 2

    run(work)


def test_a_failing_end_does_not_affect_other_streams() -> None:
    """All other streams end, even if some streams fail to end and to abort."""

    async def work(loop: VirtualLoop) -> None:
        hub = Hub()
        readers = [Stubborn(hub) for _ in range(300)]
        broken = [Broken(hub) for _ in range(3)]
        for reader in [broken[0], *readers[:150], broken[1], *readers[150:], broken[2]]:
            hub.enter(reader, 10)
        hub.release()
        await loop.passing(1)
        assert all(reader.told == ["the server stops"] for reader in readers)
        assert all(reader.told == ["aborted"] for reader in broken)
        await hub.drain(1)
        assert not hub.readers

    run(work)
