"""Ending background tasks that may lose a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

__all__ = ["ended"]

RETRY = 0.2  # seconds until a task that still runs is cancelled again


async def ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended.

    Once need not be enough: what waits by ``asyncio.wait_for``, as nats-py does, may lose a
    cancellation that comes together with what it waits for.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=RETRY)
