"""Waits while the disk is full."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from floorcast.connectors.spool import SpoolFull

__all__ = ["PAUSE_SECONDS", "repeat_while_full"]

PAUSE_SECONDS = 1.0  # between two attempts

_log = structlog.get_logger("floorcast.connect")


async def repeat_while_full(work: Callable[[], None], pause: float = PAUSE_SECONDS) -> None:
    """Run ``work`` in a thread, and again as long as it raises SpoolFull.

    The alternative would be to end, which would lose what was received and cannot be read again.
    """
    is_reported = False
    while True:
        try:
            await asyncio.to_thread(work)
        except SpoolFull as error:
            if not is_reported:
                _log.warning("the spool waits until the disk has room", why=str(error))
            is_reported = True
            await asyncio.sleep(pause)
        else:
            return
