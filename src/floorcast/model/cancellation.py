"""Cancels background tasks, even those that miss a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

__all__ = ["cancel_all"]

RETRY_SECONDS = 0.2  # until a task that is still running is cancelled again


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended.

    One cancellation may not be enough: ``asyncio.wait_for``, which nats-py uses, may miss a
    cancellation that arrives together with the awaited result.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=RETRY_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()  # no one else retrieves it
