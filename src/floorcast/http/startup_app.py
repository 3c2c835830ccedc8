"""Serves requests until the application is ready: requests wait, then get 503."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send

from floorcast.http.error_responses import error_response, is_event_source
from floorcast.http.handlers.operation import Status
from floorcast.http.responses import Response
from floorcast.model.errors import Unavailable

__all__ = ["StartupApp"]

WAIT_SECONDS = 10.0  # a browser's EventSource gives up for good at a 503
NEVER_WAIT = ("/healthz", "/readyz")


class StartupApp:
    """An ASGI application that stands in for another one until that is ready."""

    def __init__(self) -> None:
        self._application: ASGIApp | None = None
        self._over = asyncio.Event()

    @property
    def answers(self) -> bool:
        """Whether the other application has taken over."""
        return self._application is not None

    def become(self, application: ASGIApp) -> None:
        """Pass every request to ``application`` from now on, including those that wait."""
        self._application = application
        self._over.set()

    def release(self) -> None:
        """Answer the requests that wait: the server is stopping."""
        self._over.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if (
            self._application is None
            and scope["type"] == "http"
            and scope["path"] not in NEVER_WAIT
        ):
            with suppress(TimeoutError):
                async with asyncio.timeout(WAIT_SECONDS):
                    await self._over.wait()
        if self._application is not None:
            await self._application(scope, receive, send)
        elif scope["type"] == "http":
            answer = error_response(
                Unavailable("the server is starting"), event_source=is_event_source(scope)
            )
            if scope["path"] == "/healthz":
                answer = Response.of(Status("ok"))
            await answer.send(send, gzip=False, without_body=scope["method"] == "HEAD")
        else:
            await send({"type": "websocket.close"})
