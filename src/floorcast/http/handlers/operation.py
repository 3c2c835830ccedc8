"""Is it alive, is it ready, how does it do: for whoever runs the server."""

from __future__ import annotations

from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST

from floorcast.http.request_context import Exchange
from floorcast.http.responses import Answer, Content
from floorcast.model.errors import Unavailable

__all__ = ["Status", "health", "metrics", "readiness"]


class Status(Struct, omit_defaults=True):
    """The body of both checks; ``reason`` says what does not go, where something does not."""

    status: str
    reason: str = ""


async def health(_exchange: Exchange) -> Answer:
    """The process lives."""
    return Answer.of(Status("ok"))


async def readiness(exchange: Exchange) -> Answer:
    """The server has caught up with its log and takes requests; raises Unavailable."""
    server = exchange.server
    if not server.readiness.ready:
        raise Unavailable(server.readiness.reason)
    if not server.log.healthy:
        why = server.log.stalled or "the log cannot be written"
        raise Unavailable(f"{why}: events are not taken, the feeds go on")
    return Answer.of(Status("ready", server.log.stalled))


async def metrics(exchange: Exchange) -> Answer:
    """Everything that is counted, for Prometheus."""
    server = exchange.server
    server.metrics.ready.set(server.readiness.ready)
    return Answer(200, Content(server.metrics.text()), media_type=CONTENT_TYPE_LATEST)
