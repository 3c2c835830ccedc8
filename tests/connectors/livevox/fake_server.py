"""A minimal API server and a minimal ingest server, both without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec

from floorcast.client import Credentials
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.model.token import encode as encode_token

__all__ = ["CREDENTIALS", "NOW", "FakeIngest", "FakeServer"]

NOW = 1_795_428_000.0
CREDENTIALS = Credentials(client="ACME", user="me", password="secret", api_token="token")
FEEDS = {"/realtime/agentEvent/feed": "agentEvent", "/realtime/event/feed": "events"}
ROWS = {
    "/realtime/service/calls/status": "callsDetails",
    "/realtime/campaign/stats": "stats",
    "/realtime/service/stats": "stats",
    "/realtime/service/agents/status": "agentDetails",
}


class FakeServer(httpx.AsyncBaseTransport):
    """Serves the events in ``feeds`` and the rows in ``rows``, without streams.

    A long poll waits for more events. ``answers`` has the responses to send first for each path, in
    order. ``requested_tokens`` has the tokens with which each feed was requested.
    """

    def __init__(self) -> None:
        self.feeds: dict[str, list[Any]] = {path: [] for path in FEEDS}
        self.rows: dict[str, list[Any]] = {path: [] for path in ROWS}
        self.answers: dict[str, Iterator[httpx.Response]] = {}
        self.refuses: Callable[[str], bool] = lambda _token: False
        self.requested_tokens: dict[str, list[str]] = {path: [] for path in FEEDS}
        self.calls: list[str] = []
        self.more = asyncio.Condition()
        self._tokens: dict[str, int] = {}
        self._was_requested = asyncio.Event()

    async def add(self, path: str, *events: object) -> None:
        """Add events."""
        async with self.more:
            self.feeds[path] += events
            self.more.notify_all()

    async def until_requested(self, path: str, token: str) -> None:
        """Wait until a feed is requested with this token."""
        while token not in self.requested_tokens[path]:
            self._was_requested.clear()
            await self._was_requested.wait()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Respond to one request."""
        path = request.url.path
        self.calls.append(path)
        for answer in self.answers.get(path, ()):
            return answer
        if path == "/session/login":
            return httpx.Response(200, json={"sessionId": "s", "clientId": 1})
        if path in ROWS:
            return httpx.Response(200, json={ROWS[path]: self.rows[path]})
        if path not in FEEDS:
            return httpx.Response(404, json={"code": 404, "message": "there is no such path"})
        token = str(msgspec.json.decode(request.content).get("token", ""))
        self.requested_tokens[path].append(token)
        self._was_requested.set()
        if token and self.refuses(token):
            return httpx.Response(400, json={"code": 202, "message": "the token is too old"})
        return await self._page(path, token)

    async def _page(self, path: str, token: str) -> httpx.Response:
        events = self.feeds[path]
        begin = self._tokens.get(token, 0) if token else len(events)
        async with self.more:
            while token in self._tokens and len(events) <= begin:
                await self.more.wait()
        page = events[begin : begin + 1000]
        return httpx.Response(
            200, json={FEEDS[path]: page, "token": self._token(begin + len(page))}
        )

    def _token(self, index: int) -> str:
        token = encode_token(1, round(NOW * TICKS_PER_SECOND) + index, index)
        self._tokens[token] = index
        return token


class FakeIngest(httpx.AsyncBaseTransport):
    """Accepts each event once. ``events`` has the accepted events."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.duplicates = 0
        self._changed = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Respond to one request."""
        events = [msgspec.json.decode(line) for line in request.content.splitlines()]
        new = {one["id"]: one for one in events if one["id"] not in self.events}
        self.duplicates += len(events) - len(new)
        self.events |= new
        self._changed.set()
        verdicts = {"accepted": len(new), "duplicates": len(events) - len(new), "rejected": []}
        return httpx.Response(200, json=verdicts)

    async def until(self, *ids: str) -> None:
        """Wait until all of these events have arrived."""
        while not set(ids) <= self.events.keys():
            self._changed.clear()
            await self._changed.wait()
