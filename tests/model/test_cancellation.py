"""Tests of cancelling tasks that ignore their first cancellation."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from floorcast.model.cancellation import cancel_all
from tests import virtual_time


def test_a_task_that_ignores_a_cancellation_is_cancelled_again() -> None:
    """The task is cancelled again until it ends."""

    async def ignores_cancellations(times: int) -> None:
        for _ in range(times):
            with suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()
        await asyncio.get_running_loop().create_future()

    async def work(loop: virtual_time.VirtualLoop) -> list[bool]:
        some = [loop.create_task(ignores_cancellations(times)) for times in range(3)]
        await asyncio.sleep(0)
        await cancel_all(some)
        await cancel_all([])
        return [task.cancelled() for task in some]

    assert virtual_time.run(work) == [True, True, True]
