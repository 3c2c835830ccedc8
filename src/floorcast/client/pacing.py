"""Decides when to send the next request after a failure and within a rate limit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

__all__ = ["Backoff", "RateLimitPacer"]

FIRST_RETRY_SECONDS = 0.25  # doubled with each consecutive failure
MAX_RETRY_SECONDS = 15.0  # unless the server asks for a longer wait
RESERVE = 0.25  # the share of a window's requests that is spread over the rest of the window

_LEFT = re.compile(r";\s*r=(\d{1,9})")
_RESET = re.compile(r";\s*t=(\d{1,9})")
_QUOTA = re.compile(r";\s*q=(\d{1,9})")


class Backoff:
    """Exponential pauses after consecutive failures, with full jitter so that clients spread out.

    ``chance`` returns a number from 0 to 1.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._failures = 0

    def pause(self, requested: float = 0.0) -> float:
        """Return the seconds to wait after another failure.

        The back-off is added to the seconds that the server ``requested``.
        """
        bound = min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        return requested + self._chance() * bound

    def reset(self) -> None:
        """Record a success, so that the next pause is short again."""
        self._failures = 0


class RateLimitPacer:
    """A server's rate limit (the IETF's ``RateLimit`` fields), measured with the client's clock.

    Requests are sent without delay until only a quarter of a window's requests is left. These are
    spread over the rest of the window, so that none is refused.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = self._quota = 0
        self._until = 0.0

    def record(self, headers: Mapping[str, str]) -> None:
        """Record an answer's rate limit fields."""
        rate_limit = headers.get("ratelimit", "")
        left, reset = _LEFT.search(rate_limit), _RESET.search(rate_limit)
        if left is None or reset is None:
            return
        quota = _QUOTA.search(headers.get("ratelimit-policy", ""))
        self._left = int(left[1])
        self._quota = int(quota[1]) if quota else max(self._quota, self._left)
        self._until = self._clock() + int(reset[1])

    def delay(self) -> float:
        """Return the seconds to delay the next request. Each call counts as a request."""
        remaining = self._until - self._clock()
        if remaining <= 0 or self._left > self._quota * RESERVE:
            return 0.0
        seconds = remaining / (self._left + 1)
        self._left = max(0, self._left - 1)
        return seconds
