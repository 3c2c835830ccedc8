"""Ending background tasks that may lose a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

__all__ = ["ended"]

RETRY_SECONDS = 0.2  # until a task that still runs is cancelled again


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended.

    Once may not be enough: ``asyncio.wait_for``, which nats-py uses, may lose a cancellation that
    arrives together with the awaited result.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=RETRY_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()  # no one else retrieves it
