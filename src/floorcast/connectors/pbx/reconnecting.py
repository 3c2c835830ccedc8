"""Reconnects whenever a connection is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from floorcast.client import Timing
from floorcast.client.pacing import Backoff
from floorcast.model.errors import BadCredentials, Unavailable

__all__ = ["keep_connected"]

_log = structlog.get_logger("floorcast.connect")


async def keep_connected(source: str, connection: Callable[[Backoff], Awaitable[None]]) -> None:
    """Run one connection after another, with pauses in between.

    ``connection`` returns when the connection is lost, and resets the back-off once the connection
    works. ``source`` names the other side in the log. Raises BadCredentials if the first connection
    is refused. Later refusals are retried, because the other side may be in the middle of a change.
    """
    backoff = Backoff(Timing().chance)
    was_up = is_down = False
    while True:
        try:
            await connection(backoff)
            was_up, is_down = True, False
        except BadCredentials:
            if not was_up:
                raise
        except Unavailable as error:
            if not is_down:
                _log.warning(f"{source} does not respond", why=error.message)
            is_down = True
        await asyncio.sleep(backoff.pause())
