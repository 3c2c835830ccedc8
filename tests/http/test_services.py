"""Access to a client's floor: every method refuses a missing floor in the same way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from floorcast.http.services import REBUILD_SECONDS
from floorcast.model.errors import FeedNotSwitchedOn, NotFound, Unavailable
from tests.http.servers import ACME, CHILD, STRANGER, House, in_house

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
def test_every_method_says_503_while_a_floor_is_rebuilt(
    method: str, path: str, more: dict[str, Any]
) -> None:
    """The response has code 101 and Retry-After, and is never 403, 404 or 500."""

    async def work(house: House) -> None:
        session = await house.login()
        del house.server.floors[ACME], house.server.floors[CHILD]
        answer = await house.http.request(method, path, headers=session, **more)
        assert (answer.status_code, answer.json()["code"]) == (503, 101)
        assert answer.headers["retry-after"] == str(REBUILD_SECONDS)
        assert "rebuilt" in answer.json()["message"]

    in_house(work)


def test_intake_says_503_while_a_floor_is_rebuilt() -> None:
    """The events are not read."""

    async def work(house: House) -> None:
        del house.server.floors[ACME]
        answer = await house.http.post("/ingest/v1/events", **INTAKE)
        assert (answer.status_code, answer.json()["code"]) == (503, 101)
        assert answer.headers["retry-after"] == str(REBUILD_SECONDS)

    in_house(work)


@pytest.mark.parametrize(("method", "path", "more"), REQUESTS)
def test_every_method_says_where_a_client_is_not_served(
    method: str, path: str, more: dict[str, Any]
) -> None:
    """Waiting would not help, because another node has the client."""

    async def work(house: House) -> None:
        session = await house.login()
        house.server.clients = frozenset({STRANGER})
        del house.server.floors[ACME], house.server.floors[CHILD]
        answer = await house.http.request(method, path, headers=session, **more)
        assert (answer.status_code, answer.json()["code"]) == (503, 101)
        assert "another node" in answer.json()["message"]

    in_house(work)


def test_a_floor_is_found_or_refused_for_the_right_reason() -> None:
    """A client that is not in the site is not found, whatever this node serves."""

    async def work(house: House) -> None:
        server = house.server
        assert server.floor_of(ACME) is house.floors[ACME]
        with pytest.raises(NotFound):
            server.floor_of(77)
        with pytest.raises(FeedNotSwitchedOn):
            server.feed_of(CHILD, "interaction")
        del server.floors[ACME]
        with pytest.raises(Unavailable, match="rebuilt"):
            server.feed_of(ACME, "agent")

    in_house(work)


def test_a_reader_that_waits_for_another_nodes_position_is_told_of_a_rebuild() -> None:
    """The floor may become unavailable while the reader waits."""

    async def work(house: House) -> None:
        session = await house.login()
        first = await house.http.post("/realtime/event/feed", headers=session)
        house.log.lost = 0
        house.publish([], ACME)
        ahead = await house.http.post("/realtime/event/feed", headers=session)
        house.log.times[ACME].pop()
        house.floors[ACME].folded = 0
        waiting = asyncio.ensure_future(
            house.http.post(
                "/realtime/event/feed", headers=session, json={"token": ahead.json()["token"]}
            )
        )
        await house.loop.passing(1)
        del house.server.floors[ACME]
        await house.loop.passing(1)
        answer = await waiting
        assert first.status_code == 200
        assert (answer.status_code, answer.json()["code"]) == (503, 101)

    in_house(work)
