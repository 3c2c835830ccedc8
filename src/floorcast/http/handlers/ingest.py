"""The handlers of ``/ingest/v1/events`` (sections 8 and 19 of the contract)."""

from __future__ import annotations

import re
import time
from typing import Annotated

from msgspec import Meta

from floorcast.auth.keys import bearer
from floorcast.http.bodies import MAX_INTAKE_BYTES, read_body
from floorcast.http.request_context import Caller, RequestContext
from floorcast.http.responses import Content, Response
from floorcast.ingest.content_modes import WEBHOOK_ORIGIN, is_binary, read_binary_event
from floorcast.ingest.decode import MAX_EVENTS, BodyForm
from floorcast.ingest.intake import Busy, IngestResult, NothingAccepted
from floorcast.ingest.verdicts import Rejected
from floorcast.model.errors import (
    BadCredentials,
    InvalidParameter,
    Refusal,
    UnsupportedMedia,
)
from floorcast.model.inbound import InboundEvent

__all__ = ["BODIES", "answer_handshake", "take_events"]

_FORMS: dict[str, BodyForm] = {
    "application/cloudevents-batch+json": "batch",
    "application/x-ndjson": "lines",
    "application/cloudevents+json": "one",
    "application/json": "json",
}
DATA_TYPES = ("", "application/json", "text/json", "application/x-www-form-urlencoded")
"""Media types of an event's data. The last one is what curl sends by default."""

_Lines = Annotated[
    str, Meta(description="One event per line, each as in `application/cloudevents+json`.")
]
_BODIES: dict[BodyForm, object] = {
    "one": InboundEvent,
    "batch": Annotated[list[InboundEvent], Meta(description=f"At most {MAX_EVENTS:,} events.")],
    "lines": _Lines,
    "json": Annotated[
        InboundEvent | list[InboundEvent],
        Meta(
            description=f"An event, or an array of at most {MAX_EVENTS:,} events. With `ce-`"
            " headers, the event's `data`."
        ),
    ],
}
BODIES = {media_type: _BODIES[form] for media_type, form in _FORMS.items()}
"""The body's type for each media type."""


async def take_events(context: RequestContext) -> Response:
    """Store a request's events. Responds once they are durable and readable."""
    services = context.services
    key = _ingest_key(context)
    client = services.keys.client_of_ingest_key(key, context.address)
    context.caller = Caller(client)
    await services.sources.enter(client)
    form = _body_form(context)
    services.floor_of(client)
    began = time.perf_counter()
    try:
        with services.admission.admit(client) as admitted:
            body = await read_body(
                context.receive, context.headers, MAX_INTAKE_BYTES, admitted.hold, client
            )
            if (
                services.keys.client_of_ingest_key(key, context.address) != client
            ):  # an upload may take a while
                raise BadCredentials(
                    "the ingest key now belongs to another client: send this again"
                )
            result = await _accept(context, client, body, form)
    except Busy:
        services.metrics.intake_refused.inc()
        raise
    services.metrics.intake_seconds.observe(time.perf_counter() - began)
    for outcome, count in (
        ("accepted", result.accepted),
        ("duplicate", result.duplicates),
        ("rejected", result.refused),
    ):
        if count:
            services.metrics.intake_events.labels(outcome).inc(count)
    if result.refused and not result.accepted and not result.duplicates:
        none_accepted = NothingAccepted(0, 0, result.rejected, result.more_rejected)
        return Response.json(none_accepted, status=400)
    return Response.json(result)


async def answer_handshake(context: RequestContext) -> Response:
    """Allow a webhook's sender to send (CloudEvents' webhook specification, section 4.2).

    The handshake needs no key, because each request with events has one. Without
    WebHook-Request-Origin, the response lists the allowed methods, as for OPTIONS on any path.
    """
    headers: tuple[tuple[str, str], ...] = (("allow", "OPTIONS, POST"),)
    origin = context.headers.get("webhook-request-origin")
    if origin is not None:
        if not re.fullmatch(WEBHOOK_ORIGIN, origin):
            raise InvalidParameter("WebHook-Request-Origin must be a host name")
        headers += (("webhook-allowed-origin", origin), ("webhook-allowed-rate", "*"))
    return Response(200, Content(b""), headers=headers, media_type="text/plain")


async def _accept(
    context: RequestContext, client: int, body: bytes, form: BodyForm | None
) -> IngestResult:
    if form is None:
        try:
            body, form = read_binary_event(context.scope["headers"], body), "one"
        except Refusal as why:
            verdict = Rejected(0, context.headers.get("ce-id"), why.code, why.message)
            return IngestResult(0, 0, [verdict])
    services = context.services
    limits = services.site.clients[client].limits
    return await services.intake.accept(services.floor_of(client), body, form, limits)


def _ingest_key(context: RequestContext) -> str:
    """Return the ingest key in the Authorization header or, if it has none, in the query."""
    given = context.single_header("Authorization")
    key = bearer(given) or context.query.get("access_token")
    if not key:
        problem = "is missing" if given is None else "has no ingest key"
        raise BadCredentials(f"Authorization {problem}: expected Bearer and an ingest key")
    return key


def _body_form(context: RequestContext) -> BodyForm | None:
    """Return the body's format. None means binary content mode: the body is an event's data."""
    media_type = (context.single_header("Content-Type") or "").partition(";")[0].strip().lower()
    form = _FORMS.get(media_type)
    if form in {None, "json"} and is_binary(context.scope["headers"]):
        if media_type in DATA_TYPES or media_type.endswith("+json"):
            return None
        raise UnsupportedMedia("with ce- headers, Content-Type must be application/json")
    if form is None:
        raise UnsupportedMedia(f"Content-Type must be one of {', '.join(_FORMS)}")
    return form
