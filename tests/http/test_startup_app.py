"""What is answered before there is a server to answer."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from floorcast.http.startup_app import WAIT_SECONDS, StartupApp
from tests import virtual_time
from tests.virtual_time import VirtualLoop


async def answered(_scope: Scope, _receive: Receive, send: Send) -> None:
    """An application that has nothing to say."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_until_there_is_an_application_only_the_process_is_told_to_live() -> None:
    """All else is 503, with a time to come back, at once or when it takes long."""

    async def ask(loop: VirtualLoop) -> list[httpx.Response]:
        opening = StartupApp()
        transport = httpx.ASGITransport(app=opening)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            found = [await http.get("/healthz"), await http.get("/readyz")]
            assert loop.elapsed == 0
            found.append(await http.head("/realtime/event/feed"))
            assert loop.elapsed == WAIT_SECONDS
            opening.become(answered)
            return [*found, await http.get("/readyz")]

    alive, ready, head, after = virtual_time.run(ask)
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()["code"]) == (503, 101)
    assert ready.json()["message"] == "the server is starting"
    assert int(ready.headers["retry-after"]) >= 1
    assert (head.status_code, head.content) == (503, b"")
    assert after.status_code == 204


@pytest.mark.parametrize(("stops", "status"), [(False, 204), (True, 503)])
def test_what_waits_is_answered_by_the_application_or_when_the_server_stops(
    stops: bool, status: int
) -> None:
    """A browser's EventSource would give up for ever at a 503 of a restart."""

    async def ask(loop: VirtualLoop) -> httpx.Response:
        opening = StartupApp()
        transport = httpx.ASGITransport(app=opening)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            asked = asyncio.ensure_future(http.get("/realtime/event/feed/sse"))
            await loop.passing(WAIT_SECONDS / 2)
            assert not asked.done()
            if stops:
                opening.release()
            else:
                opening.become(answered)
            return await asked

    assert virtual_time.run(ask).status_code == status


def test_a_websocket_is_refused() -> None:
    """As it is afterwards."""
    sent: list[object] = []

    async def ask() -> None:
        async def send(message: object) -> None:
            sent.append(message)

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        await StartupApp()({"type": "websocket", "path": "/"}, receive, send)

    asyncio.run(ask())
    assert sent == [{"type": "websocket.close"}]
