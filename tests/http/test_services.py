"""Tests that every method refuses a missing floor in the same way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from floorcast.http.services import REBUILD_SECONDS
from floorcast.model.errors import FeedNotSwitchedOn, NotFound, Unavailable
from tests.http.servers import ACME, CHILD, STRANGER, ApiHarness, run_with_harness

SERVICE = "/realtime/service"
JSON_METHODS = [
    "/realtime/agentEvent/feed",
    "/realtime/event/feed",
    "/realtime/callEvent/feed",
    "/realtime/event/feed/sse",
    "/realtime/agentEvent/feed/sse",
    "/realtime/campaign/stats",
    f"{SERVICE}/agents/averages",
    f"{SERVICE}/agent/stats",
    f"{SERVICE}/agent/stats/ex",
    f"{SERVICE}/agents/status",
    f"{SERVICE}/calls/status",
    f"{SERVICE}/liveConnects",
    f"{SERVICE}/stats",
]
GET_METHODS = [
    "/realtime/callData/inCall?session=S&transaction=7",
    "/realtime/callData/postCall?session=S&transaction=7",
    f"/realtime/callData/inCall?session=S&transaction=7&client={CHILD}",
]
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    *(("POST", path, {}) for path in JSON_METHODS),
    *(("GET", path, {}) for path in GET_METHODS),
]
INTAKE: dict[str, Any] = {
    "headers": {
        "authorization": "Bearer acme-key-for-testing",
        "content-type": "application/cloudevents+json",
    },
    "content": b"{}",
}


@pytest.mark.parametrize(("method", "path", "more"), REQUESTS)
def test_every_method_returns_503_while_a_floor_is_rebuilt(
    method: str, path: str, more: dict[str, Any]
) -> None:
    """The response has code 101 and Retry-After, and is never 403, 404 or 500."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        del harness.server.floors[ACME], harness.server.floors[CHILD]
        answer = await harness.http.request(method, path, headers=session, **more)
        assert (answer.status_code, answer.json()["code"]) == (503, 101)
        assert answer.headers["retry-after"] == str(REBUILD_SECONDS)
        assert "rebuilt" in answer.json()["message"]

    run_with_harness(work)


def test_intake_returns_503_while_a_floor_is_rebuilt() -> None:
    """The events are not read."""

    async def work(harness: ApiHarness) -> None:
        del harness.server.floors[ACME]
        answer = await harness.http.post("/ingest/v1/events", **INTAKE)
        assert (answer.status_code, answer.json()["code"]) == (503, 101)
        assert answer.headers["retry-after"] == str(REBUILD_SECONDS)

    run_with_harness(work)


@pytest.mark.parametrize(("method", "path", "more"), REQUESTS)
def test_every_method_refuses_clients_of_another_node(
    method: str, path: str, more: dict[str, Any]
) -> None:
    """Waiting would not help, because another node has the client."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        harness.server.clients = frozenset({STRANGER})
        del harness.server.floors[ACME], harness.server.floors[CHILD]
        answer = await harness.http.request(method, path, headers=session, **more)
        assert (answer.status_code, answer.json()["code"]) == (503, 101)
        assert "another node" in answer.json()["message"]

    run_with_harness(work)


def test_a_floor_is_found_or_refused_for_the_right_reason() -> None:
    """A client that is not in the site is not found, whatever this node serves."""

    async def work(harness: ApiHarness) -> None:
        server = harness.server
        assert server.floor_of(ACME) is harness.floors[ACME]
        with pytest.raises(NotFound):
            server.floor_of(77)
        with pytest.raises(FeedNotSwitchedOn):
            server.feed_of(CHILD, "interaction")
        del server.floors[ACME]
        with pytest.raises(Unavailable, match="rebuilt"):
            server.feed_of(ACME, "agent")

    run_with_harness(work)


def test_a_waiting_reader_gets_503_when_its_floor_is_rebuilt() -> None:
    """The floor may become unavailable while the reader waits."""

    async def work(harness: ApiHarness) -> None:
        session = await harness.login()
        first = await harness.http.post("/realtime/event/feed", headers=session)
        harness.log.lost = 0
        harness.publish([], ACME)
        ahead = await harness.http.post("/realtime/event/feed", headers=session)
        harness.log.times[ACME].pop()
        harness.floors[ACME].last_folded = 0
        waiting = asyncio.ensure_future(
            harness.http.post(
                "/realtime/event/feed", headers=session, json={"token": ahead.json()["token"]}
            )
        )
        await harness.loop.passing(1)
        del harness.server.floors[ACME]
        await harness.loop.passing(1)
        answer = await waiting
        assert first.status_code == 200
        assert (answer.status_code, answer.json()["code"]) == (503, 101)

    run_with_harness(work)
