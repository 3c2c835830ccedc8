"""A stream's subscription and its caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from floorcast.feeds.filters import Matcher
from floorcast.sse.framing import StreamFormat

__all__ = ["Caller", "Subscription"]


class Subscription(NamedTuple):
    """The events that a reader requested, their maximum number per write, and the format."""

    matcher: Matcher
    max_events: int
    format: StreamFormat


class Caller(Protocol):
    """The request that opened a stream. ``opening`` is the token with which the stream begins."""

    opening: str

    @property
    def token(self) -> Callable[[int], str]:
        """The function that returns the token of a position."""
        ...

    def refusal(self) -> str:
        """Return the reason why the stream must end, or an empty string if it may continue.

        Calling this counts as a use of the session.
        """
        ...

    def disconnected(self) -> None:
        """Record that the reader is gone, even if it never got its connection."""
        ...

    def local_time(self) -> str:
        """Return the current time in the format of keep-alives."""
        ...

    def token_now(self, cursor: int) -> str:
        """Return the token of a reader that has seen everything up to ``cursor``."""
        ...
