"""Builds the OpenAPI operation of a route."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import parse_qsl

from msgspec import Meta, Struct

from floorcast.auth.session import ALLOWED_ROLES
from floorcast.http.error_responses import Failure
from floorcast.http.openapi.error_docs import component_name, refusals, response
from floorcast.http.openapi.examples import Example
from floorcast.http.openapi.schemas import schema
from floorcast.http.routing import ANY, QueryParameter, Route
from floorcast.ingest.content_modes import WEBHOOK_ORIGIN
from floorcast.ingest.intake import NothingAccepted
from floorcast.model.errors import InvalidParameter, MissingParameter, NotAnObject

__all__ = ["RouteExamples", "operation", "tag_of"]

RouteExamples = dict[str, Example]
"""A route's examples, by name."""

_EVENT_STREAM = "text/event-stream"
_SCHEMES = {
    "API token": ("apiToken", "bearerApiToken"),
    "ingest key": ("ingestKey",),
    "metrics key": ("metricsKey",),
    "screen key": ("screenKey",),
}
_IN_PATH = {"sessionId": "The session's id.", "alertId": "The alert's id."}
_LAST_EVENT_ID = QueryParameter(
    "Last-Event-ID",
    "The last `id:` that the client received. It takes precedence over `token`.",
    kind=str,
)


BINARY_MODE = (
    "CloudEvents' binary content mode is also accepted. In this mode, the headers"
    " `ce-specversion`, `ce-id`, `ce-source`, `ce-type` and `ce-time` replace the envelope, and the"
    " body is the event's `data`."
)
_ORIGIN = QueryParameter(
    "WebHook-Request-Origin",
    "The sender's host name.",
    kind=Annotated[str, Meta(pattern=WEBHOOK_ORIGIN)],
)


def operation(route: Route, method: str, examples: RouteExamples) -> dict[str, Any]:
    """Return a route's operation for an HTTP method (in lower case)."""
    handler = re.sub(r"_(\w)", lambda found: found[1].upper(), route.handler.__name__)
    words = route.operation or handler
    spec: dict[str, Any] = {
        "tags": [tag_of(route)],
        "summary": route.doc,
        "description": "\n\n".join(_remarks(route)),
        "operationId": words if route.method != ANY else f"{words}By{method.capitalize()}",
        "security": _security(route),
        "parameters": list(_parameters(route, examples)),
        "requestBody": _request(route, examples),
        "responses": _responses(route, examples),
        "deprecated": route.deprecated or route.method == ANY,
    }
    always_present = ("security", "responses")
    return {key: value for key, value in spec.items() if value or key in always_present}


def tag_of(route: Route) -> str:
    """Return the group that a route is shown in."""
    if route.methods is not None:
        return "streams" if route.media_type == _EVENT_STREAM else route.methods
    if route.path.startswith("/realtime"):
        return "feeds"
    if route.path.startswith("/session"):
        return "sessions"
    return "sending events" if route.path.startswith("/ingest") else "operation"


def _remarks(route: Route) -> Iterator[str]:
    if route.methods is not None:
        yield f"Roles: {', '.join(ALLOWED_ROLES[route.methods])}."
    if route.method == ANY:
        yield "All HTTP methods return this response."
    if route.alias is not None:
        yield f"This method is also served at `{route.alias}`, the path in the reference's example."
    if route.events:
        yield BINARY_MODE
    if route.cookie:
        yield "Use this with a browser's `EventSource`, which sends the session as a cookie."


def _security(route: Route) -> list[dict[str, list[str]]]:
    schemes: tuple[str, ...] = ()
    if route.methods is not None:
        schemes = ("session", "sessionCookie") if route.cookie else ("session",)
    elif route.needs is not None:
        schemes = _SCHEMES[route.needs]
    return [{scheme: []} for scheme in schemes]


def _parameters(route: Route, examples: RouteExamples) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", route.path):
        yield _parameter(QueryParameter(name, _IN_PATH[name], required=True), "path")
    query_examples = dict(
        parse_qsl("&".join(one.target.partition("?")[2] for one in examples.values()))
    )
    for query in route.query:
        yield _parameter(query, "query", query_examples.get(query.name))
    if route.cookie:
        yield _parameter(_LAST_EVENT_ID, "header")
    if route.method == "OPTIONS":
        yield _parameter(_ORIGIN, "header")


def _parameter(query: QueryParameter, where: str, example: str | None = None) -> dict[str, Any]:
    parameter: dict[str, Any] = {"name": query.name, "in": where, "description": query.doc}
    if query.required:
        parameter["required"] = True
    if isinstance(query.kind, type) and issubclass(query.kind, Struct):
        parameter["content"] = {"application/json": {"schema": schema(query.kind)}}
        return parameter
    parameter["schema"] = schema(query.kind)
    if example is not None:
        number = parameter["schema"].get("type") == "integer"
        parameter["example"] = int(example) if number else example
    return parameter


def _request(route: Route, examples: RouteExamples) -> dict[str, Any] | None:
    bodies: dict[str, object] = {**route.events}
    if route.body is not None:
        bodies["application/json"] = route.body
    if not bodies:
        return None
    content = {kind: {"schema": schema(body)} for kind, body in bodies.items()}
    for name, example in examples.items():
        if example.body is not None:
            medium = content[example.headers["Content-Type"]]
            medium.setdefault("examples", {})[name] = {"value": example.body}
    required = bool(route.events) or hasattr(route.body, "required")
    return {"content": content, **({"required": True} if required else {})}


def _responses(route: Route, examples: RouteExamples) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if route.status < 400:
        found[str(route.status)] = {
            "description": _description(route),
            **_headers(route),
            **_content(route),
        }
    for status, classes in refusals(route).items():
        found[str(status)] = {"$ref": f"#/components/responses/{component_name(classes)}"}
    if route.events:
        shape = {"anyOf": [schema(NothingAccepted), schema(Failure)]}
        nothing = [MissingParameter, InvalidParameter, NotAnObject]
        found["400"] = {**response(nothing), "content": {"application/json": {"schema": shape}}}
    for name, example in examples.items():
        if example.answer is None:
            continue
        if example.status != route.status:
            found[str(example.status)] = response(refusals(route)[example.status])
        medium = found[str(example.status)]["content"]["application/json"]
        medium.setdefault("examples", {})[name] = {"value": example.answer}
    return found


def _description(route: Route) -> str:
    if route.status == 204:
        return "Success. The response has no body."
    if route.media_type == _EVENT_STREAM:
        return "The stream: one `data:` line per event, and a comment at least every 10 s."
    return "The response."


def _content(route: Route) -> dict[str, Any]:
    if route.status == 204:
        return {}
    any_shape = {"type": "object" if route.media_type == "application/json" else "string"}
    shape = schema(route.answer) if route.answer is not None else any_shape
    return {"content": {route.media_type: {"schema": shape}}}


def _headers(route: Route) -> dict[str, Any]:
    names = []
    if route.methods is not None:
        names += ["RateLimit", "RateLimit-Policy"]
        if route.feed is None and route.methods != "acknowledgement of alerts":
            names.append("Feed-Token")
            if route.methods in ("service methods", "campaign statistics"):
                names += ["Earliest-At", "Newest-Event"]
    if route.deprecated:
        names += ["Deprecation", "Link"]
    if route.method == "OPTIONS":
        names += ["WebHook-Allowed-Origin", "WebHook-Allowed-Rate"]
    if any(query.name == "cookie" for query in route.query):
        names += ["Session-Role", "Set-Cookie"]
    refs = {name: {"$ref": f"#/components/headers/{name}"} for name in sorted(names)}
    return {"headers": refs} if refs else {}
