"""Tests that long work runs in slices, and that the clients take turns."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextvars import Context
from itertools import pairwise
from typing import TypeVarTuple

from hypothesis import given
from hypothesis import strategies as st

from floorcast.model.loop_turns import REST_TURNS, SLICE_SECONDS, LoopTurns, take_turn

Ts = TypeVarTuple("Ts")


class Work:
    """Slices of clients' work on a loop, on a clock that only the slices move."""

    def __init__(self, seconds: float) -> None:
        self.now = 0.0
        self.order: list[int] = []  # the client of each slice
        self.for_answer: list[bool] = []  # whether each slice was for an answer
        self.loop_turns = 0  # that the loop took for others since the last slice
        self.rests: list[int] = []  # between two slices, in turns of the loop
        self._seconds = seconds
        self._turns = LoopTurns(asyncio.get_running_loop(), lambda: self.now)

    async def slices(self, client: int, count: int, *, for_answer: bool = False) -> None:
        """Run slices of one client, each in a turn."""
        for _ in range(count):
            await self._turns.take(client, for_answer=for_answer)
            self.rests.append(self.loop_turns)
            self.loop_turns = 0
            self.order.append(client)
            self.for_answer.append(for_answer)
            self.now += self._seconds

    async def count_loop_turns(self) -> None:
        """Count the turns of the loop, as a short request sees them."""
        while True:
            self.loop_turns += 1
            await asyncio.sleep(0)


def run(clients: list[int], seconds: float, slices: int = 1) -> Work:
    """Run tasks that begin at the same time, one of each of these clients (with repetition)."""

    async def running() -> Work:
        work = Work(seconds)
        counting = asyncio.create_task(work.count_loop_turns())
        await asyncio.gather(*(work.slices(client, slices) for client in clients))
        counting.cancel()
        return work

    return asyncio.run(running())


@given(st.lists(st.integers(1, 4), max_size=30))
def test_clients_take_turns_and_each_client_keeps_its_order(clients: list[int]) -> None:
    """Long slices run in rounds: each round has one slice of each client that still waits."""
    order = run(clients, SLICE_SECONDS).order
    assert sorted(order) == sorted(clients)
    seen: defaultdict[int, int] = defaultdict(int)
    for client in order[1:]:  # the first one began before anybody else had asked
        waiting = {one for one in clients if order.count(one) - (one == order[0]) > seen[one]}
        assert seen[client] == min(seen[one] for one in waiting)
        seen[client] += 1


@given(st.integers(0, 3), st.integers(1, 20), st.integers(1, 9))
def test_a_clients_events_wait_for_one_slice_of_an_answer(
    others: int, answers: int, slices: int
) -> None:
    """However many answers a client requests, every second slice of its time is for its events."""

    async def running() -> Work:
        work = Work(SLICE_SECONDS)
        tasks = [work.slices(1, slices, for_answer=True) for _ in range(answers)]
        tasks += [work.slices(client, slices) for client in range(1, 2 + others)]
        await asyncio.gather(*tasks)
        return work

    work = asyncio.run(running())
    own = [
        answer for client, answer in zip(work.order, work.for_answer, strict=True) if client == 1
    ]
    places = [place for place, for_answer in enumerate(own) if not for_answer]
    assert len(places) == slices
    assert places[0] <= 2
    assert all(later - earlier <= 2 for earlier, later in pairwise(places))


@given(st.lists(st.integers(1, 3), min_size=2, max_size=20), st.integers(1, 4))
def test_other_tasks_run_between_two_long_slices(clients: list[int], slices: int) -> None:
    """A short request gets several turns of the loop between two long slices."""
    work = run(clients, SLICE_SECONDS, slices)
    assert len(work.order) == len(clients) * slices
    assert min(work.rests[1:]) >= REST_TURNS


def test_short_work_does_not_wait() -> None:
    """Slices that are short together run in the same turn of the loop."""
    assert sum(run([1, 2, 3, 1], 0.0, slices=3).rests[1:]) == 0


def test_a_cancelled_waiting_task_passes_its_turn_on() -> None:
    """A cancelled task does not delay the tasks behind it."""

    async def running() -> list[int]:
        work = Work(SLICE_SECONDS)
        tasks = [asyncio.create_task(work.slices(client, 1)) for client in (1, 2, 3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return work.order

    assert asyncio.run(running()) == [1, 3]


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts the callbacks that are scheduled."""

    scheduled = 0

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Count one, and schedule it."""
        self.scheduled += 1
        return super().call_soon(callback, *args, context=context)


def test_the_loop_is_idle_after_the_last_slice() -> None:
    """Nothing keeps the loop awake when no work waits."""

    async def running() -> int:
        await take_turn(1)
        for _ in range(2 * REST_TURNS):
            await asyncio.sleep(0)
        before = loop.scheduled
        await asyncio.sleep(0)
        return loop.scheduled - before

    loop = CountingLoop()
    try:
        assert loop.run_until_complete(running()) == 1  # this task's own step
    finally:
        loop.close()
