"""What is answered while the server's files are opened: that it lives, and to come back."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send

from floorcast.http.error_responses import answer_to, is_event_source
from floorcast.http.handlers.operation import Status
from floorcast.http.responses import Response
from floorcast.model.errors import Unavailable

__all__ = ["StartupApp"]

PATIENCE = 10.0  # seconds that a request waits: a browser's EventSource gives up for ever at a 503
AT_ONCE = ("/healthz", "/readyz")


class StartupApp:
    """An ASGI application that stands for another one until that is there."""

    def __init__(self) -> None:
        self._application: ASGIApp | None = None
        self._over = asyncio.Event()

    @property
    def answers(self) -> bool:
        """Whether the other one is there."""
        return self._application is not None

    def become(self, application: ASGIApp) -> None:
        """Let it answer from now on, what waits included."""
        self._application = application
        self._over.set()

    def release(self) -> None:
        """Let whoever waits be answered now: the server stops."""
        self._over.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's one request, as ASGI has it."""
        if self._application is None and scope["type"] == "http" and scope["path"] not in AT_ONCE:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._over.wait()
        if self._application is not None:
            await self._application(scope, receive, send)
        elif scope["type"] == "http":
            answer = answer_to(
                Unavailable("the server is starting"), event_source=is_event_source(scope)
            )
            if scope["path"] == "/healthz":
                answer = Response.of(Status("ok"))
            await answer.send(send, gzip=False, without_body=scope["method"] == "HEAD")
        else:
            await send({"type": "websocket.close"})
