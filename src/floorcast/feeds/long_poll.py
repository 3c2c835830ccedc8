"""Long polling: events at once if there are any, else the first one, else after 10 s none."""

from __future__ import annotations

import asyncio

from floorcast.feeds.blocks import Page
from floorcast.feeds.feed import Feed
from floorcast.feeds.filters import Matcher

__all__ = ["POLL_WAIT", "poll"]

POLL_WAIT = 10.0  # seconds, as the reference has it


async def poll(
    feed: Feed, page: Page, matcher: Matcher, count: int, gone: asyncio.Future[None]
) -> Page:
    """Go on from an empty page: the first that is not empty, or after the wait an empty one.

    ``gone`` is done when the reader has gone away; the wait ends then. Raises Unavailable.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + POLL_WAIT
    while not page.count and (left := deadline - loop.time()) > 0:
        quiet = await feed.wait(page, matcher, left, gone)
        if quiet is not None:
            return quiet
        page = await feed.page(page.cursor, matcher, count)
    return page
