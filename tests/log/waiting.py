"""Waiting for what the threads of a log or a store do by themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LONGEST = 30.0  # seconds; a test that waits for this long has failed


async def until(holds: Callable[[], bool]) -> None:
    """Let the event loop and the threads work until it holds."""
    end = time.monotonic() + LONGEST
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        await asyncio.sleep(0)
