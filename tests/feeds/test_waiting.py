"""Waiting readers: woken in slices, each by what it sees, and gone when they go."""

from __future__ import annotations

import asyncio

import pytest

from floorcast.feeds.filters import EVERYTHING, Filter, matcher
from floorcast.feeds.waiting import WAKE_SLICE, Waiters, Waker
from tests.virtual_time import VirtualLoop, run

SMS = matcher(Filter(kinds=frozenset({"SMS"})))


async def turn() -> None:
    """Let everything run that can, once."""
    await asyncio.sleep(0)


def test_a_reader_is_woken_by_what_it_sees() -> None:
    """And by nothing else."""

    async def work(loop: VirtualLoop) -> None:
        waiters = Waiters(Waker())
        everybody = asyncio.ensure_future(waiters.wait(EVERYTHING, 10, None))
        sms = asyncio.ensure_future(waiters.wait(SMS, 10, None))
        await turn()
        waiters.notify([("VOICE", 1, 1), ("EMAIL", 1, 1)])
        assert await everybody is False
        assert len(waiters) == 1
        assert await sms is True
        assert loop.elapsed == pytest.approx(10)
        assert len(waiters) == 0

    run(work)


def test_readers_are_woken_a_slice_a_turn() -> None:
    """Over all feeds together, so that other work gets its turn in between."""

    async def work(_loop: VirtualLoop) -> None:
        waker = Waker()
        one, other = Waiters(waker), Waiters(waker)
        woken = 0

        async def wait(waiters: Waiters) -> None:
            nonlocal woken
            await waiters.wait(EVERYTHING, 10, None)
            woken += 1

        tasks = [asyncio.ensure_future(wait(one if i % 2 else other)) for i in range(700)]
        await turn()
        one.notify([("VOICE", 1, 1)])
        other.notify([("VOICE", 1, 1)])
        most = 0
        while woken < 700:
            before = woken
            await turn()
            most = max(most, woken - before)
        assert most == WAKE_SLICE
        await asyncio.gather(*tasks)

    run(work)


def test_an_event_between_the_end_of_the_wait_and_its_answer_is_not_missed() -> None:
    """The time is over and an event comes in the same turn: the reader looks again."""

    async def work(loop: VirtualLoop) -> None:
        waiters = Waiters(Waker())
        waiting = asyncio.ensure_future(waiters.wait(EVERYTHING, 5, None))
        await turn()
        loop.call_later(5, waiters.notify, [("VOICE", 1, 1)])
        assert await waiting is False

    run(work)


def test_who_is_gone_or_cancelled_leaves_nothing_behind() -> None:
    """Neither before it is woken nor while its turn to be woken has not come yet."""

    async def work(_loop: VirtualLoop) -> None:
        waiters = Waiters(Waker())
        gone = asyncio.get_running_loop().create_future()
        leaving = asyncio.ensure_future(waiters.wait(EVERYTHING, 10, gone))
        tasks = [asyncio.ensure_future(waiters.wait(EVERYTHING, 10, None)) for _ in range(300)]
        await turn()
        gone.set_result(None)
        await leaving
        assert len(waiters) == 300
        tasks[0].cancel()
        await turn()
        waiters.notify([("VOICE", 1, 1)])
        tasks[299].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[1:299] == [False] * 298
        assert len(waiters) == 0

    run(work)


def test_a_new_wait_is_not_taken_for_an_old_one() -> None:
    """Readers that come back while others of their filter are still being woken wait anew."""

    async def work(loop: VirtualLoop) -> None:
        waiters = Waiters(Waker())
        old = [asyncio.ensure_future(waiters.wait(SMS, 10, None)) for _ in range(200)]
        await turn()
        waiters.notify([("SMS", 1, 1)])
        new = asyncio.ensure_future(waiters.wait(SMS, 10, None))
        assert await asyncio.gather(*old) == [False] * 200
        assert await new is True
        assert loop.elapsed == pytest.approx(10)

    run(work)
