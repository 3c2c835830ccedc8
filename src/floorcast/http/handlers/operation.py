"""Is it alive, is it ready, how does it do: for whoever runs the server."""

from __future__ import annotations

from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST

from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Content, Response
from floorcast.model.errors import Unavailable

__all__ = ["Status", "health", "metrics", "readiness"]


class Status(Struct, omit_defaults=True):
    """The body of both checks; ``reason`` says what does not go, where something does not."""

    status: str
    reason: str = ""


async def health(_context: RequestContext) -> Response:
    """The process lives."""
    return Response.of(Status("ok"))


async def readiness(context: RequestContext) -> Response:
    """The server has caught up with its log and takes requests; raises Unavailable."""
    server = context.server
    if not server.readiness.ready:
        raise Unavailable(server.readiness.reason)
    if not server.log.healthy:
        why = server.log.stalled or "the log cannot be written"
        raise Unavailable(f"{why}: events are not taken, the feeds go on")
    if shortage := server.memory.shortage():
        raise Unavailable(shortage)
    return Response.of(Status("ready", server.log.stalled))


async def metrics(context: RequestContext) -> Response:
    """Everything that is counted, for Prometheus."""
    server = context.server
    server.metrics.ready.set(server.readiness.ready)
    return Response(200, Content(server.metrics.text()), media_type=CONTENT_TYPE_LATEST)
