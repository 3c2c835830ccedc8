"""So many requests a turn of the loop, in the order in which they came."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from floorcast.http.turn_limiter import ROOM, TurnLimiter


@given(st.integers(1, 10 * ROOM), st.sets(st.integers(0, 10 * ROOM)))
def test_readers_come_in_by_turns(crowd: int, gone: set[int]) -> None:
    """At most ``ROOM`` in one turn, in order, and whoever has gone takes nobody's place."""

    async def work() -> None:
        gate = TurnLimiter()
        turns: list[list[int]] = [[]]

        async def reader(number: int) -> None:
            await gate.enter()
            turns[-1].append(number)

        readers = [asyncio.create_task(reader(number)) for number in range(crowd)]
        await asyncio.sleep(0)
        for number in gone & set(range(crowd)):
            readers[number].cancel()
        while not all(one.done() for one in readers):
            turns.append([])
            await asyncio.sleep(0)
        came = [number for turn in turns for number in turn]
        assert max(map(len, turns)) <= ROOM
        assert came == sorted(came)
        assert set(range(crowd)) - set(came) <= gone
        assert len(turns) <= 3 + (crowd - len(gone & set(range(ROOM, crowd)))) // ROOM

    asyncio.run(work())


def test_a_reader_alone_does_not_wait() -> None:
    """It goes in without giving up its turn."""

    async def work() -> None:
        gate = TurnLimiter()
        for _ in range(3):
            entering = gate.enter()
            try:
                entering.send(None)
            except StopIteration:
                pass
            else:
                raise AssertionError("it waited")

    asyncio.run(work())
