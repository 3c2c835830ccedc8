"""Tests of the delay before the next request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.client.pacing import FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS, Backoff, RateLimitPacer


@given(st.floats(0, 1), st.floats(0, 100))
def test_pauses_double_up_to_a_limit_with_full_jitter(chance: float, requested: float) -> None:
    """The jitter covers the whole interval, and the server's wait is always added."""
    backoff = Backoff(lambda: chance)
    bounds = [min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2**failure) for failure in range(40)]
    assert [backoff.pause(requested) for _ in bounds] == [
        requested + chance * bound for bound in bounds
    ]
    backoff.reset()
    assert backoff.pause() == chance * FIRST_RETRY_SECONDS


class RateLimitedServer:
    """A server with a rate limit and its own clock. Its requests take no time."""

    def __init__(self, limit: int, window: float) -> None:
        self.now = 0.0
        self.refused = 0
        self._limit = limit
        self._window = window
        self._ends = 0.0
        self._left = 0

    def answer(self, took: float) -> dict[str, str]:
        """Return the headers of the response to one more request."""
        self.now += took
        if self.now >= self._ends:
            self._ends, self._left = self.now + self._window, self._limit
        if self._left == 0:
            self.refused += 1
        self._left = max(0, self._left - 1)
        reset = -int(-(self._ends - self.now) // 1)
        return {
            "ratelimit-policy": f'"session";q={self._limit};w=60',
            "ratelimit": f'"session";r={self._left};t={max(1, reset)}',
        }


@given(
    limit=st.integers(1, 100),
    window=st.floats(1, 60),
    took=st.floats(0, 2),
    requests=st.integers(1, 300),
)
def test_paced_client_is_never_rate_limited(
    limit: int, window: float, took: float, requests: int
) -> None:
    """At any speed and under any limit, no request is refused."""
    server = RateLimitedServer(limit, window)
    pace = RateLimitPacer(lambda: server.now)
    for _ in range(requests):
        server.now += pace.delay()
        pace.record(server.answer(took))
    assert server.refused == 0


def test_requests_are_not_delayed_while_quota_is_plentiful() -> None:
    """Three quarters of a window's requests are sent at once; the rest are spread over time."""
    server = RateLimitedServer(40, 60)
    pace = RateLimitPacer(lambda: server.now)
    delays = []
    for _ in range(40):
        delays.append(pace.delay())
        pace.record(server.answer(0))
    assert delays[:30] == [0.0] * 30
    assert all(delays[30:])


def test_requests_are_not_delayed_without_a_rate_limit() -> None:
    """The same holds for a server whose fields are invalid."""
    pace = RateLimitPacer(lambda: 0.0)
    for headers in ({}, {"ratelimit": "?"}, {"ratelimit": '"s";r=0'}, {"ratelimit": "r=x;t=y"}):
        pace.record(headers)
        assert pace.delay() == 0.0
