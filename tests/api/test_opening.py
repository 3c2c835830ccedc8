"""What is answered before there is a server to answer."""

from __future__ import annotations

import asyncio

import httpx
from starlette.types import Receive, Scope, Send

from floorcast.api.opening import Opening


def test_until_there_is_an_application_only_the_process_is_told_to_live() -> None:
    """All else is 503, with a time to come back; then the application answers everything."""

    async def answered(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask() -> list[httpx.Response]:
        opening = Opening()
        transport = httpx.ASGITransport(app=opening)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            before = [await http.get("/healthz"), await http.get("/readyz")]
            before.append(await http.head("/realtime/event/feed"))
            opening.application = answered
            return [*before, await http.get("/readyz")]

    alive, ready, head, after = asyncio.run(ask())
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()["code"]) == (503, 101)
    assert ready.json()["message"] == "the server is starting"
    assert int(ready.headers["retry-after"]) >= 1
    assert (head.status_code, head.content) == (503, b"")
    assert after.status_code == 204


def test_a_websocket_is_refused() -> None:
    """As it is afterwards."""
    sent: list[object] = []

    async def ask() -> None:
        async def send(message: object) -> None:
            sent.append(message)

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        await Opening()({"type": "websocket", "path": "/"}, receive, send)

    asyncio.run(ask())
    assert sent == [{"type": "websocket.close"}]
