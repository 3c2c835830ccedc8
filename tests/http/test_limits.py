"""Tests of the limits on requests: per minute, concurrent, and per turn of the event loop."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.feeds.filters import EVERYTHING, Filter, matcher
from floorcast.http.limits import (
    REQUESTS_PER_TURN,
    AnswerLimits,
    RateLimit,
    ReaderLimits,
    TurnLimiter,
)
from floorcast.model.errors import RateLimited
from floorcast.model.token import TICKS_PER_SECOND
from tests.http.feed_events import call_start
from tests.http.servers import ACME, ApiHarness, run_with_harness


class Clock:
    """A clock in seconds, set by the test."""

    seconds = 0.0

    def __call__(self) -> int:
        """Return the current time in ticks."""
        return round(self.seconds * TICKS_PER_SECOND)


def test_requests_are_limited_per_session_and_minute() -> None:
    """The refusal gives the time of the next request. Other sessions are not affected."""
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
    assert dict(limit.header_fields("a"))["ratelimit"] == '"session";r=0;t=40'
    limit.count("b")
    clock.seconds = 59.9
    assert dict(limit.header_fields("a"))["ratelimit"] == '"session";r=0;t=1'
    clock.seconds = 60
    assert dict(limit.count("a"))["ratelimit"] == '"session";r=2;t=60'


def test_idle_sessions_are_forgotten() -> None:
    """Only the sessions of the last minute take memory."""
    clock = Clock()
    limit = RateLimit(3, clock)
    for number in range(1000):
        clock.seconds = number
        limit.count(str(number))
    assert len(limit) <= 61


def test_a_rate_of_zero_means_no_limit() -> None:
    """Without a limit, there are no headers and nothing is stored."""
    limit = RateLimit(0, Clock())
    assert limit.count("a") == limit.header_fields("a") == ()
    assert len(limit) == 0


def test_every_limited_response_has_the_rate_limit_headers() -> None:
    """Successful responses, refusals and the 429 have the header fields."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login("auditor")
        for _ in range(2):
            answer = await harness.http.post("/realtime/event/feed", headers=session)
            assert answer.status_code == 403
            assert answer.headers["ratelimit-policy"] == '"session";q=2;w=60'
        answer = await harness.http.post("/realtime/event/feed", headers=session)
        assert (answer.status_code, answer.json()["code"]) == (429, 429)
        assert answer.headers["retry-after"] == "60"
        assert answer.headers["ratelimit"] == '"session";r=0;t=60'
        assert "ratelimit" not in (await harness.http.get("/healthz")).headers
        await harness.loop.passing(60)
        answer = await harness.http.post("/realtime/event/feed", headers=session)
        assert answer.status_code == 403

    run_with_harness(work, rate=2)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 1), st.sampled_from("abc")),
        max_size=60,
    )
)
def test_reader_limits_are_exact(
    steps: list[tuple[bool, int, str]],
) -> None:
    """The limits are compared with a plain list of readers."""
    limits = ReaderLimits(per_session=2, per_client=3)
    there: list[tuple[int, str]] = []
    for enters, client, session in steps:
        reader = (client, f"{client}{session}")
        if not enters:
            if reader in there:
                there.remove(reader)
                limits.leave(*reader, EVERYTHING)
            continue
        full = there.count(reader) >= 2 or sum(one[0] == client for one in there) >= 3
        try:
            limits.check(*reader, EVERYTHING)
        except RateLimited:
            assert full
        else:
            assert not full
            limits.enter(*reader, EVERYTHING)
            there.append(reader)


def test_a_failed_reader_frees_its_place() -> None:
    """The place becomes free however the reader ends."""
    limits = ReaderLimits(per_session=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limits.hold(1, "s", EVERYTHING):
            raise ZeroDivisionError
    with limits.hold(1, "s", EVERYTHING), pytest.raises(RateLimited, match="session has 1 streams"):
        limits.check(1, "s", EVERYTHING)


@given(st.integers(1, 10 * REQUESTS_PER_TURN), st.sets(st.integers(0, 10 * REQUESTS_PER_TURN)))
def test_readers_enter_a_few_per_turn(crowd: int, gone: set[int]) -> None:
    """Readers enter in order, up to the limit per turn. Readers that have left use no place."""

    async def work() -> None:
        gate = TurnLimiter()
        turns: list[list[int]] = [[]]

        async def reader(number: int) -> None:
            await gate.enter(1)
            turns[-1].append(number)

        readers = [asyncio.create_task(reader(number)) for number in range(crowd)]
        await asyncio.sleep(0)
        for number in gone & set(range(crowd)):
            readers[number].cancel()
        while not all(one.done() for one in readers):
            turns.append([])
            await asyncio.sleep(0)
        came = [number for turn in turns for number in turn]
        assert max(map(len, turns)) <= REQUESTS_PER_TURN
        assert came == sorted(came)
        assert set(range(crowd)) - set(came) <= gone
        assert (
            len(turns)
            <= 3 + (crowd - len(gone & set(range(REQUESTS_PER_TURN, crowd)))) // REQUESTS_PER_TURN
        )

    asyncio.run(work())


def test_a_single_reader_does_not_wait() -> None:
    """A single reader enters without yielding to the loop."""

    async def work() -> None:
        gate = TurnLimiter()
        for _ in range(3):
            entering = gate.enter(1)
            try:
                entering.send(None)
            except StopIteration:
                pass
            else:
                raise AssertionError("it waited")

    asyncio.run(work())


def ids(*numbers: int) -> Filter:
    """Return a filter by these services."""
    return Filter(services=frozenset(numbers))


def test_a_clients_filters_are_limited_in_bytes() -> None:
    """Equal filters count once.

    Other clients' readers, and readers that have left, do not count.
    """
    large = [matcher(ids(*range(start, start + 1000))) for start in range(4)]
    limits = ReaderLimits(filter_bytes=3 * large[0].size)
    for number in range(50):
        limits.check(1, str(number), large[number % 3])
        limits.enter(1, str(number), large[number % 3])
    assert limits.filter_bytes(1) == 3 * large[0].size
    with pytest.raises(RateLimited, match="name fewer ids"):
        limits.check(1, "s", large[3])
    limits.check(1, "s", large[0])
    limits.check(2, "s", large[3])
    for number in range(0, 50, 3):
        limits.leave(1, str(number), large[0])
    limits.check(1, "s", large[3])
    for number in range(50):
        if number % 3:
            limits.leave(1, str(number), large[number % 3])
    assert limits.filter_bytes(1) == 0


def test_clients_take_turns_however_many_requests_one_has() -> None:
    """Another client's request waits one turn, and not for all requests of the first client."""

    async def work() -> None:
        gate = TurnLimiter()
        order: list[int] = []

        async def reader(client: int) -> None:
            await gate.enter(client)
            order.append(client)

        crowd = [asyncio.create_task(reader(1)) for _ in range(50 * REQUESTS_PER_TURN)]
        others = [asyncio.create_task(reader(client)) for client in (2, 3)]
        await asyncio.gather(*crowd, *others)
        assert max(order.index(2), order.index(3)) < 2 * REQUESTS_PER_TURN

    asyncio.run(work())


def test_concurrently_built_responses_are_limited_per_client() -> None:
    """Beyond the queue, requests get 429. The turn of a cancelled request is passed on."""

    async def work() -> None:
        limits = AnswerLimits(max_building=2, max_waiting=3)
        built: list[str] = []
        free = asyncio.Event()

        async def build(client: int, name: str) -> None:
            async with limits.building(client):
                built.append(name)
                await free.wait()

        tasks = [asyncio.create_task(build(1, name)) for name in "abcde"]
        await asyncio.sleep(0)
        other = asyncio.create_task(build(2, "x"))
        await asyncio.sleep(0)
        assert built == ["a", "b", "x"]
        with pytest.raises(RateLimited, match="3 requests for the client's statistics wait"):
            await build(1, "f")
        tasks[2].cancel()
        await asyncio.sleep(0)
        free.set()
        await asyncio.gather(*tasks, other, return_exceptions=True)
        assert built == ["a", "b", "x", "d", "e"]
        await build(1, "g")
        assert built[-1] == "g"

    asyncio.run(work())


def test_a_place_given_to_a_cancelled_request_is_freed() -> None:
    """The place is freed in the same turn of the loop. The next responses are built immediately."""

    async def work() -> None:
        limits = AnswerLimits(max_building=1)
        free = asyncio.Event()

        async def build() -> None:
            async with limits.building(1):
                await free.wait()

        async def build_and_cancel() -> None:
            await build()
            second.cancel()  # it has been given the place but has not run since

        first = asyncio.create_task(build_and_cancel())
        second = asyncio.create_task(build())
        await asyncio.sleep(0)
        free.set()
        await asyncio.gather(first, second, return_exceptions=True)
        await asyncio.wait_for(build(), 5)

    asyncio.run(work())


@given(
    st.lists(st.tuples(st.integers(1, 2), st.integers(0, 3), st.booleans()), max_size=50),
)
def test_responses_being_sent_are_limited_in_bytes_per_client(
    steps: list[tuple[int, int, bool]],
) -> None:
    """The limits are compared with a plain list.

    Shared bytes count once, and one response is always allowed.
    """
    bodies = [(object(), size << 10) for size in (1, 40, 60, 200)]
    limits = AnswerLimits(max_bytes=100 << 10)
    under_way: list[tuple[int, int, Any]] = []
    for client, number, begins in steps:
        body, size = bodies[number]
        if not begins:
            for at, (owner, which, held) in enumerate(under_way):
                if (owner, which) == (client, number):
                    held.__exit__(None, None, None)
                    del under_way[at]
                    break
            continue
        sent = {which for owner, which, _ in under_way if owner == client and which}
        fits = not sent or number in sent or sum(bodies[one][1] for one in sent) + size <= 100 << 10
        held = limits.sending(client, body, size)
        if fits or not number:
            held.__enter__()
            under_way.append((client, number, held))
        else:
            with pytest.raises(RateLimited, match="are being sent to the client"):
                held.__enter__()


def test_a_response_beyond_the_limit_is_a_429() -> None:
    """The log and the metrics report the 429.

    A slow reader of the client holds earlier responses.
    """

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        token = (await harness.http.post("/realtime/event/feed", headers=session)).json()["token"]
        harness.publish([call_start] * 200)
        harness.server.answer_limits = limits = AnswerLimits(max_bytes=1)

        async def ask() -> httpx.Response:
            body = {"token": token}
            return await harness.http.post("/realtime/event/feed", headers=session, json=body)

        with limits.sending(ACME, object(), 1 << 20):
            answer = await ask()
        assert (answer.status_code, answer.json()["code"]) == (429, 429)
        assert answer.headers["retry-after"] == "1"
        assert len((await ask()).json()["events"]) == 200

    run_with_harness(work)
