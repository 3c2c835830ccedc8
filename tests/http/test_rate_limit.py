"""The limit on how often a session may call."""

from __future__ import annotations

import pytest

from floorcast.http.rate_limit import RateLimit
from floorcast.model.errors import RateLimited
from floorcast.model.token import TICKS_PER_SECOND
from tests.http.servers import House, in_house


class Clock:
    """A clock that is set by hand, in seconds."""

    seconds = 0.0

    def __call__(self) -> int:
        """The present, in ticks."""
        return round(self.seconds * TICKS_PER_SECOND)


def test_a_session_may_call_so_often_in_a_minute() -> None:
    """Then it is told when it may again; others are not held up by it."""
    clock = Clock()
    limit = RateLimit(3, clock)
    for left in (2, 1, 0):
        assert limit.count("a") == (
            ("ratelimit-policy", '"session";q=3;w=60'),
            ("ratelimit", f'"session";r={left};t=60'),
        )
    clock.seconds = 20.5
    with pytest.raises(RateLimited) as refusal:
        limit.count("a")
    assert refusal.value.retry_after == 40
    assert dict(limit.standing("a"))["ratelimit"] == '"session";r=0;t=40'
    limit.count("b")
    clock.seconds = 60
    assert dict(limit.count("a"))["ratelimit"] == '"session";r=2;t=60'


def test_sessions_that_are_quiet_are_forgotten() -> None:
    """The memory holds a minute's sessions, not a day's."""
    clock = Clock()
    limit = RateLimit(3, clock)
    for number in range(1000):
        clock.seconds = number
        limit.count(str(number))
    assert len(limit) <= 61


def test_no_limit_is_none() -> None:
    """No headers, nothing kept."""
    limit = RateLimit(0, Clock())
    assert limit.count("a") == limit.standing("a") == ()
    assert len(limit) == 0


def test_every_limited_answer_carries_the_fields() -> None:
    """Those that succeed, those that are refused, and the 429."""

    async def work(house: House) -> None:
        session = await house.login("auditor")
        for _ in range(2):
            answer = await house.http.post("/realtime/event/feed", headers=session)
            assert answer.status_code == 403
            assert answer.headers["ratelimit-policy"] == '"session";q=2;w=60'
        answer = await house.http.post("/realtime/event/feed", headers=session)
        assert (answer.status_code, answer.json()["code"]) == (429, 429)
        assert answer.headers["retry-after"] == "60"
        assert answer.headers["ratelimit"] == '"session";r=0;t=60'
        assert "ratelimit" not in (await house.http.get("/healthz")).headers
        await house.loop.passing(60)
        answer = await house.http.post("/realtime/event/feed", headers=session)
        assert answer.status_code == 403

    in_house(work, rate=2)
