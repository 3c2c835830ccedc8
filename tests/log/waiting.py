"""Waits for the background threads of a log or a store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LONGEST = 100.0  # seconds after which the test fails; a busy machine is slow


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop and the threads run until a condition is true."""
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end, "the condition never became true"
        await asyncio.sleep(0)
