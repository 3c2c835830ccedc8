"""The handlers for health, readiness and metrics."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST

from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response, Status
from floorcast.model.errors import Unavailable

__all__ = ["health", "metrics", "readiness"]


async def health(_context: RequestContext) -> Response:
    """Respond 200 while the process runs."""
    return Response.json(Status("ok"))


async def readiness(context: RequestContext) -> Response:
    """Respond 200 while the server can serve requests and store events. Raises Unavailable."""
    services = context.services
    if not services.readiness.ready:
        raise Unavailable(services.readiness.reason)
    if not services.log.healthy:
        why = services.log.stall_reason or "the log cannot be written"
        raise Unavailable(f"{why}: events cannot be stored, but the feeds continue")
    if shortage := services.memory.shortage():
        raise Unavailable(shortage)
    return Response.json(Status("ready", services.log.stall_reason))


async def metrics(context: RequestContext) -> Response:
    """Respond with all metrics in Prometheus' text format."""
    services = context.services
    services.metrics.ready.set(services.readiness.ready)
    return Response(200, services.metrics.page(), media_type=CONTENT_TYPE_LATEST)
