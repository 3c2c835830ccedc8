"""What all streams share: turns, and the end of the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from floorcast.sse.hub import TURN, Hub
from tests.virtual_time import VirtualLoop, run


@dataclass
class Work:
    """What is done, by a clock of its own that nothing else moves."""

    done: float = 0.0

    def clock(self) -> float:
        return self.done


@dataclass
class Crowd:
    """Readers that wait; each takes a millisecond. ``turns`` is when it had its own."""

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
    """Does not go by itself."""

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


def test_turns_are_shared_among_all_that_wait() -> None:
    """A small crowd does not wait for a large one to be through."""

    async def work(loop: VirtualLoop) -> None:
        busy = Work()
        streams = Hub(busy.clock)
        large, small = Crowd(1000, busy, streams), Crowd(2, busy, streams)
        between: list[float] = []

        def look() -> None:
            between.append(busy.done)
            if large.left:
                loop.call_soon(look)

        streams.wake(large)
        streams.wake(small)
        loop.call_soon(look)
        await loop.passing(1)
        assert (large.left, small.left) == (0, 0)
        assert small.turns == [pytest.approx(TURN)]
        # everybody else had a turn of the loop after each of theirs
        assert max(b - a for a, b in pairwise(between)) == pytest.approx(TURN)

    run(work)


def test_the_end_waits_for_closing_comments_but_not_for_ever() -> None:
    """Who does not go is cut off."""

    async def work(loop: VirtualLoop) -> None:
        streams = Hub()
        await streams.ended(5)
        assert loop.elapsed == 0
        readers = [Stubborn(streams) for _ in range(300)]
        for reader in readers:
            streams.enter(reader, 10)
        streams.release()
        for reader in readers[1:]:
            loop.call_later(2, streams.leave, reader)
        await streams.ended(5)
        assert loop.elapsed == 5
        assert readers[0].told == ["the server stops", "aborted"]
        assert readers[1].told == ["the server stops"]

    run(work)


class Falling(Crowd):
    """Falls over in the middle of its turn, once."""

    def advance(self) -> None:
        super().advance()
        if len(self.turns) == 1:
            raise ZeroDivisionError


def test_one_that_falls_over_holds_nobody_up() -> None:
    """The others have their turns, and so has it; the fault is told to the loop, which logs it."""

    async def work(loop: VirtualLoop) -> None:
        busy = Work()
        streams = Hub(busy.clock)
        told: list[object] = []
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        falling, other = Falling(100, busy, streams), Crowd(100, busy, streams)
        streams.wake(falling)
        streams.wake(other)
        await loop.passing(1)
        assert (falling.left, other.left) == (0, 0)
        assert [type(one) for one in told] == [ZeroDivisionError]

    run(work)
