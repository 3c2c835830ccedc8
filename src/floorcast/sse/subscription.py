"""A stream's subscription, and its caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from floorcast.feeds.filters import Matcher
from floorcast.sse.framing import StreamFormat

__all__ = ["Caller", "Subscription"]


class Subscription(NamedTuple):
    """The events that a reader requested, the maximum number per write, and the format."""

    matcher: Matcher
    most: int
    format: StreamFormat


class Caller(Protocol):
    """The request behind a stream. ``opening`` is the token that the stream begins with."""

    opening: str

    @property
    def token(self) -> Callable[[int], str]:
        """Returns the token of a position."""
        ...

    def refusal(self) -> str:
        """The reason why the stream must end; empty if it can continue.

        The call counts as a use of the session.
        """
        ...

    def left(self) -> None:
        """Note that the reader is gone, even if it never had its connection."""
        ...

    def moment(self) -> str:
        """The current time in the format of keep-alives."""
        ...

    def token_now(self, cursor: int) -> str:
        """Return the token of a reader that has seen everything up to ``cursor``."""
        ...
