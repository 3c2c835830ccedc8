"""The port through which webhooks read floors."""

from __future__ import annotations

from typing import Protocol

from floorcast.feeds.feed import Feed
from floorcast.log.port import EventLog
from floorcast.site.configuration import FeedName

__all__ = ["Floors"]


class Floors(Protocol):
    """The floors of this node, as read by webhooks."""

    @property
    def log(self) -> EventLog:
        """The event log."""
        ...

    @property
    def token_secret(self) -> bytes:
        """The secret with which this installation makes tokens."""
        ...

    def feed_of(self, client: int, name: FeedName) -> Feed:
        """Return a feed of the client. Raises Unavailable, NotFound or FeedNotSwitchedOn."""
        ...

    async def cursor_of(self, client: int, token: str) -> int:
        """Return the cursor of a token. Raises InvalidParameter, Unavailable or NotFound."""
        ...

    def token_now(self, client: int, cursor: int, *, at_head: bool = True) -> str:
        """Return the token of a reader that has seen everything up to ``cursor``."""
        ...
