"""A small server as described in the reference, without agent streams and ``id:`` lines.

It replaces httpx's transport, so that a client uses real requests and responses without a socket.
The server first sends the responses in ``plan``. ``cut`` breaks its streams.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from threading import Lock
from typing import Any

import httpx

__all__ = ["Reference", "refusal"]

URL = "http://reference.test"
AGENTS, EVENTS = "/realtime/agentEvent/feed", "/realtime/event/feed"


def refusal(status: int, code: int, message: str = "no", **headers: str) -> httpx.Response:
    """Return a response that refuses a request."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"code": code, "message": message}, headers=named)


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, pieces: list[bytes], *, cut: bool) -> None:
        self._pieces = pieces
        self._cut = cut

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._cut:
            raise httpx.ReadError("connection reset by peer")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class Reference:
    """Two feeds of numbered events, and sessions that end on request.

    A page or stream has at most ``most`` events. A stream is then closed or, with ``cut``, broken
    within the next event. With ``same_session`` every login returns the existing session.
    """

    def __init__(
        self, *, events: int = 0, most: int = 3, cut: bool = False, same_session: bool = False
    ) -> None:
        self.requests: list[httpx.Request] = []
        self.plan: deque[httpx.Response | httpx.TransportError] = deque()
        self.logins = 0
        self.events = events
        self._most = most
        self._cut = cut
        self._same_session = same_session
        self._sessions: set[str] = set()
        self._lock = Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Return the response to a thread's or task's request."""
        with self._lock:
            self.requests.append(request)
            if request.url.path == "/session/login":
                self.logins += 1
                session = f"session-{1 if self._same_session else self.logins}"
                self._sessions.add(session)
                found = {"sessionId": session, "clientId": "47415", "userId": 1}
                return httpx.Response(HTTPStatus.OK, json={**found, "member": "of tomorrow"})
            if self.plan:
                planned = self.plan.popleft()
                if isinstance(planned, httpx.TransportError):
                    raise planned
                return planned
            if request.headers.get("lv-session") not in self._sessions:
                return refusal(401, 301, "the session has expired")
            return self._answer(request)

    def end_sessions(self) -> None:
        """End all sessions."""
        self._sessions.clear()

    def method_requests(self) -> list[tuple[str, str, dict[str, str], Any]]:
        """Return the method, path, query and body of each request so far, without logins."""
        return [
            (one.method, one.url.path, dict(one.url.params), json.loads(one.content or b"null"))
            for one in self.requests
            if one.url.path != "/session/login"
        ]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path not in {AGENTS, EVENTS, EVENTS + "/sse"}:
            return refusal(404, 404, "there is no such path")
        behind = self._behind(json.loads(request.content)["token"])
        page = [self._event(path, n) for n in range(behind, self.events)[: self._most]]
        if path.endswith("/sse"):
            pieces = [b": keepalive 2021-04-24 07:34:29-0400\n\n"]
            pieces += [b"data: %b\n\n" % one for one in page]
            pieces += [b"data: " + pieces[-1][6:20]] if self._cut else [b": no event\n\n"]
            stream = _Stream(pieces, cut=self._cut)
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)
        token = _time(behind + len(page))
        name = b"agentEvent" if path == AGENTS else b"events"
        body = b'{\n"token": "%b", "%b": [%b]\n}' % (token.encode(), name, b",\n".join(page))
        return httpx.Response(200, content=body, headers={"content-type": "application/json"})

    def _behind(self, token: str) -> int:
        """Return the number of events before a token, which is the id of a time or an event."""
        if not token:
            return self.events
        number = int(token[:8], 16)
        return number if token.endswith("-8080-808080808080") else number + 1

    def _event(self, path: str, number: int) -> bytes:
        if path == AGENTS:
            identity = f"cid=47415:aid=1:time={number}:seq={number}"
            return b'{"timestamp": %d, "agentId": 1, "eventId": "%b"}' % (number, identity.encode())
        identity = f"{number:08x}-a4d9-11eb-abe6-bd1649d297a6"
        return b'{"eventId": "%b", "interactionType": "SMS", "threadId": "%d"}' % (
            identity.encode(),
            number,
        )


def _time(number: int) -> str:
    return f"{number:08x}-a4d9-11eb-8080-808080808080"
