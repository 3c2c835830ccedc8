"""What is answered while the server's files are opened: that it lives, and to come back."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from floorcast.api.answers import Answer
from floorcast.api.errors import answer_to
from floorcast.api.operation import Status
from floorcast.errors import Unavailable

__all__ = ["Opening"]


class Opening:
    """An ASGI application that stands for ``application`` until there is one."""

    def __init__(self) -> None:
        self.application: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's one request, as ASGI has it."""
        if self.application is not None:
            await self.application(scope, receive, send)
        elif scope["type"] == "http":
            answer = answer_to(Unavailable("the server is starting"))
            if scope["path"] == "/healthz":
                answer = Answer.of(Status("ok"))
            await answer.send(send, gzip=False, without_body=scope["method"] == "HEAD")
        else:
            await send({"type": "websocket.close"})
