"""Receives events: ``POST /ingest/v1/events`` (section 8 of the contract)."""

from __future__ import annotations

import time
from typing import Annotated

from msgspec import Meta

from floorcast.auth.keys import bearer
from floorcast.http.bodies import INTAKE_LIMIT, read_body
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response
from floorcast.ingest.accept import NothingAccepted
from floorcast.ingest.admission import Busy
from floorcast.ingest.decode import MAX_EVENTS, BodyForm
from floorcast.model.errors import BadCredentials, UnsupportedMedia
from floorcast.model.inbound import InboundEvent

__all__ = ["BODIES", "take_events"]

_FORMS: dict[str, BodyForm] = {
    "application/cloudevents-batch+json": "batch",
    "application/x-ndjson": "lines",
    "application/cloudevents+json": "one",
}

_Lines = Annotated[
    str, Meta(description="One event per line, each as in `application/cloudevents+json`.")
]
_BODIES: dict[BodyForm, object] = {
    "one": InboundEvent,
    "batch": Annotated[list[InboundEvent], Meta(description=f"At most {MAX_EVENTS:,} events.")],
    "lines": _Lines,
}
BODIES = {media_type: _BODIES[form] for media_type, form in _FORMS.items()}
"""The body for each media type."""


async def take_events(context: RequestContext) -> Response:
    """Take the events of a request; respond once they are durable and readable."""
    server = context.server
    await server.sources.enter()
    key = _key(context)
    client = server.keys.client_of_ingest_key(key, context.address)
    form = _form(context.headers.get("content-type", ""))
    server.floor_of(client)
    begun = time.perf_counter()
    try:
        with server.admission.admit(client) as place:
            body = await read_body(context.receive, context.headers, INTAKE_LIMIT, place.hold)
            if (
                server.keys.client_of_ingest_key(key, context.address) != client
            ):  # an upload may take a while
                raise BadCredentials("the ingest key is another client's now: send this again")
            limits = server.site.clients[client].limits
            result = await server.intake.take(server.floor_of(client), body, form, limits)
    except Busy:
        server.metrics.intake_refused.inc()
        raise
    server.metrics.intake_seconds.observe(time.perf_counter() - begun)
    for outcome, count in (
        ("accepted", result.accepted),
        ("duplicate", result.duplicates),
        ("rejected", result.refused),
    ):
        if count:
            server.metrics.intake_events.labels(outcome).inc(count)
    if result.refused and not result.accepted and not result.duplicates:
        nothing = NothingAccepted(0, 0, result.rejected, result.more_rejected)
        return Response.of(nothing, status=400)
    return Response.of(result)


def _key(context: RequestContext) -> str:
    key = bearer(context.headers.get("authorization"))
    if key is None:
        raise BadCredentials("Authorization is missing: expected Bearer and an ingest key")
    return key


def _form(content_type: str) -> BodyForm:
    form = _FORMS.get(content_type.partition(";")[0].strip().lower())
    if form is None:
        raise UnsupportedMedia(f"Content-Type must be one of {', '.join(_FORMS)}")
    return form
