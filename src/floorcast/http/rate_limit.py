"""The optional rate limit of each session."""

from __future__ import annotations

from typing import NamedTuple

from floorcast.model.errors import RateLimited
from floorcast.model.token import TICKS_PER_SECOND, Now

__all__ = ["RateLimit"]

WINDOW = 60  # seconds


class _Window(NamedTuple):
    end: int  # ticks
    left: int


class RateLimit:
    """Counts each session's requests per minute; a ``limit`` of 0 is none."""

    def __init__(self, limit: int, now: Now) -> None:
        self._limit = limit
        self._now = now
        self._windows: dict[str, _Window] = {}  # in the order in which they end

    def __len__(self) -> int:
        return len(self._windows)

    def count(self, session: str) -> tuple[tuple[str, str], ...]:
        """Count a request; returns the ``RateLimit`` header fields of its response.

        Raises RateLimited when the window's requests are used up; ``standing`` returns the
        fields for that response.
        """
        if not self._limit:
            return ()
        now = self._now()
        self._forget(now)
        window = self._windows.get(session)
        if window is None:
            window = _Window(now + WINDOW * TICKS_PER_SECOND, self._limit)
        if window.left == 0:
            raise RateLimited(
                f"more than {self._limit} requests in a minute", _seconds(window.end - now)
            )
        self._windows[session] = window = window._replace(left=window.left - 1)
        return self.standing(session)

    def standing(self, session: str) -> tuple[tuple[str, str], ...]:
        """The current ``RateLimit`` header fields of a session."""
        window = self._windows.get(session)
        if window is None:
            return ()
        reset = _seconds(window.end - self._now())
        return (
            ("ratelimit-policy", f'"session";q={self._limit};w={WINDOW}'),
            ("ratelimit", f'"session";r={window.left};t={reset}'),
        )

    def _forget(self, now: int) -> None:
        while self._windows:
            session, window = next(iter(self._windows.items()))
            if window.end > now:
                return
            del self._windows[session]


def _seconds(ticks: int) -> int:
    return max(1, -(-ticks // TICKS_PER_SECOND))
