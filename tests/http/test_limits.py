"""What limits requests: per minute, at the same time, and per turn of the event loop."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.http.limits import ROOM, RateLimit, ReaderLimits, TurnLimiter
from floorcast.model.errors import RateLimited
from floorcast.model.token import TICKS_PER_SECOND
from tests.http.servers import House, in_house

__all__ = []


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


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 1), st.sampled_from("abc")),
        max_size=60,
    )
)
def test_nobody_has_more_than_it_may_and_everybody_has_that(
    steps: list[tuple[bool, int, str]],
) -> None:
    """Against a plain list of who is there."""
    limits = ReaderLimits(per_session=2, per_client=3)
    there: list[tuple[int, str]] = []
    for enters, client, session in steps:
        reader = (client, f"{client}{session}")
        if not enters:
            if reader in there:
                there.remove(reader)
                limits.leave(*reader)
            continue
        full = there.count(reader) >= 2 or sum(one[0] == client for one in there) >= 3
        try:
            limits.check(*reader)
        except RateLimited:
            assert full
        else:
            assert not full
            limits.enter(*reader)
            there.append(reader)


def test_a_reader_that_fails_leaves_its_place() -> None:
    """However it ends."""
    limits = ReaderLimits(per_session=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limits.held(1, "s"):
            raise ZeroDivisionError
    with limits.held(1, "s"), pytest.raises(RateLimited, match="session has 1 streams"):
        limits.check(1, "s")


@given(st.integers(1, 10 * ROOM), st.sets(st.integers(0, 10 * ROOM)))
def test_readers_come_in_by_turns(crowd: int, gone: set[int]) -> None:
    """At most ``ROOM`` in one turn, in order, and whoever has gone takes nobody's place."""

    async def work() -> None:
        gate = TurnLimiter()
        turns: list[list[int]] = [[]]

        async def reader(number: int) -> None:
            await gate.enter()
            turns[-1].append(number)

        readers = [asyncio.create_task(reader(number)) for number in range(crowd)]
        await asyncio.sleep(0)
        for number in gone & set(range(crowd)):
            readers[number].cancel()
        while not all(one.done() for one in readers):
            turns.append([])
            await asyncio.sleep(0)
        came = [number for turn in turns for number in turn]
        assert max(map(len, turns)) <= ROOM
        assert came == sorted(came)
        assert set(range(crowd)) - set(came) <= gone
        assert len(turns) <= 3 + (crowd - len(gone & set(range(ROOM, crowd)))) // ROOM

    asyncio.run(work())


def test_a_reader_alone_does_not_wait() -> None:
    """It goes in without giving up its turn."""

    async def work() -> None:
        gate = TurnLimiter()
        for _ in range(3):
            entering = gate.enter()
            try:
                entering.send(None)
            except StopIteration:
                pass
            else:
                raise AssertionError("it waited")

    asyncio.run(work())
