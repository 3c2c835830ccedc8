"""What all streams share: turns, and the end of the server."""

from __future__ import annotations

from dataclasses import dataclass, field

from floorcast.feeds.streams import SLICE, Streams
from tests.virtual_time import VirtualLoop, run


@dataclass
class Crowd:
    """Readers that wait, told how many may come."""

    left: int
    rooms: list[int] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        return self.left > 0

    def advance(self, room: int) -> int:
        self.rooms.append(room)
        served = min(room, self.left)
        self.left -= served
        return served


class Stubborn:
    """Does not go by itself."""

    def __init__(self, streams: Streams) -> None:
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
        streams = Streams()
        large, small = Crowd(10_000), Crowd(3)
        streams.wake(large)
        streams.wake(small)
        await loop.passing(1)
        assert (large.left, small.left) == (0, 0)
        assert small.rooms == [SLICE]
        assert max(large.rooms) == SLICE

    run(work)


def test_the_end_waits_for_closing_comments_but_not_for_ever() -> None:
    """Who does not go is cut off."""

    async def work(loop: VirtualLoop) -> None:
        streams = Streams()
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

    def advance(self, room: int) -> int:
        super().advance(room)
        if len(self.rooms) == 1:
            raise ZeroDivisionError
        return room


def test_one_that_falls_over_holds_nobody_up() -> None:
    """The others have their turns; the fault is told to the loop, which logs it."""

    async def work(loop: VirtualLoop) -> None:
        streams = Streams()
        told: list[object] = []
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        falling, other = Falling(1000), Crowd(1000)
        streams.wake(falling)
        streams.wake(other)
        await loop.passing(1)
        assert other.left == 0
        assert [type(one) for one in told] == [ZeroDivisionError]

    run(work)
