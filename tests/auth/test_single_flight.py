"""Tests that concurrent calls with the same key share one execution."""

from __future__ import annotations

import asyncio
import gc

import pytest

from floorcast.auth.single_flight import SingleFlight


def test_concurrent_callers_share_the_result() -> None:
    """Work in progress is shared. Later calls run it again, and keys are independent."""

    async def ask() -> list[int]:
        once, calls, gate = SingleFlight[int](), [0], asyncio.Event()

        async def work() -> int:
            calls[0] += 1
            mine = calls[0]
            await gate.wait()
            return mine

        tasks = [asyncio.create_task(once.do(key, work)) for key in ("a", "a", "b", "a")]
        await asyncio.sleep(0)
        gate.set()
        return [*await asyncio.gather(*tasks), await once.do("a", work)]

    assert asyncio.run(ask()) == [1, 1, 2, 1, 3]


def test_an_error_reaches_all_callers_and_is_not_cached() -> None:
    """All waiting callers get the error. A later call runs the work again."""

    async def ask() -> list[object]:
        once = SingleFlight[int]()

        async def fail() -> int:
            await asyncio.sleep(0)
            raise ValueError("no")

        async def work() -> int:
            return 1

        errors = await asyncio.gather(
            once.do("a", fail), once.do("a", fail), return_exceptions=True
        )
        return [*map(str, errors), await once.do("a", work)]

    assert asyncio.run(ask()) == ["no", "no", 1]


def test_cancelling_a_caller_does_not_stop_the_work() -> None:
    """Cancelling one caller stops neither the work nor other callers, and no error is lost."""

    async def ask() -> int:
        once, gate, done = SingleFlight[int](), asyncio.Event(), []

        async def work() -> int:
            await gate.wait()
            done.append(1)
            return 7

        async def fail() -> int:
            await gate.wait()
            raise ValueError("nobody hears")

        tasks = [asyncio.create_task(once.do("a", work)) for _ in range(2)]
        deaf = asyncio.create_task(once.do("b", fail))
        await asyncio.sleep(0)
        tasks[0].cancel()
        deaf.cancel()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        result = await tasks[1]
        await asyncio.sleep(0)
        gc.collect()
        assert done == [1]
        return result

    assert asyncio.run(ask()) == 7


def test_an_error_leaves_nothing_for_the_garbage_collector() -> None:
    """A flood of refused logins would otherwise grow the memory until the collector runs."""

    async def fail() -> int:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def ask() -> int:
        once = SingleFlight[int]()
        gc.collect()
        for _ in range(5):
            with pytest.raises(ValueError, match="no"):
                await once.do("a", fail)
        await asyncio.sleep(0)
        return gc.collect()

    gc.disable()
    try:
        assert asyncio.run(ask()) == 0
    finally:
        gc.enable()
