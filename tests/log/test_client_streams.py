"""A stream's ends, and those who follow it."""

from __future__ import annotations

import asyncio

from floorcast.log.client_streams import Stream
from floorcast.log.port import Entry, Head


def entry(number: int) -> Entry:
    return Entry(1, number, number, "events", 1, b"{}")


def test_what_is_planned_counts_on_what_is_planned_before() -> None:
    """And is forgotten when it fails."""
    stream = Stream(1, Head(3, 100), 20_000)
    assert [stream.next(90), stream.next(90), stream.next(200)] == [(4, 101), (5, 102), (6, 200)]
    assert stream.head == (3, 100)
    stream.withdraw()
    assert stream.next(90) == (4, 101)


def test_followers_do_not_wait_for_each_other() -> None:
    """One that takes nothing holds up neither the stream nor the others."""

    async def follow() -> list[int]:
        stream = Stream(1, Head(0, 0), 20_000)
        stored: list[Entry] = []
        reads: list[int] = []

        def read(after: int, limit: int) -> list[Entry]:
            reads.append(after)
            return stored[after : after + limit]

        quick, slow = stream.follow(0, read), stream.follow(0, read)
        waiting = [asyncio.ensure_future(anext(each)) for each in (quick, slow)]
        await asyncio.sleep(0)
        numbers: list[int] = []
        for number in range(1, 100):
            stored.append(entry(number))
            stream.publish(stored[-1])
            if number == 1:
                assert [(await each).number for each in waiting] == [1, 1]
            else:
                numbers.append((await anext(quick)).number)
        assert numbers == list(range(2, 100))
        assert reads == []
        rest = [(await anext(slow)).number for _ in range(2, 100)]
        await quick.aclose()
        await slow.aclose()
        return rest

    assert asyncio.run(follow()) == list(range(2, 100))
