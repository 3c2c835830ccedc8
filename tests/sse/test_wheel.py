"""Visits: each once, on time, and never too many in one turn of the loop."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.sse.wheel import TICK, Wheel
from tests.virtual_time import VirtualLoop, run


class Guest:
    """Is visited at these times, one after the other."""

    def __init__(self, loop: VirtualLoop, times: list[float]) -> None:
        self.loop = loop
        self.times = times
        self.visits: list[float] = []

    def visit(self, now: float) -> float | None:
        self.visits.append(now)
        return self.times[len(self.visits)] if len(self.visits) < len(self.times) else None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.floats(0.01, 60), min_size=1, max_size=4), max_size=300))
def test_each_is_visited_when_it_asked_to_be(wishes: list[list[float]]) -> None:
    """Or up to a tick later; a wish for the past is met at the next tick."""

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
                    <= max(subscription, before) + TICK + 1e-5
                )
                before = visit

    run(work)


def test_the_clock_stands_still_when_nobody_is_left() -> None:
    """And goes on with the next one."""

    async def work(loop: VirtualLoop) -> None:
        wheel: Wheel[Guest] = Wheel()
        for _ in range(2):
            guest = Guest(loop, [loop.time() + 3])
            wheel.add(guest, loop.time() + 3)
            await loop.passing(1000)
            assert len(guest.visits) == 1

    run(work)
