"""The OpenAPI 3.1 document of everything that the server answers, made from the route table.

Nothing is told twice: paths, parameters and who may call what are the table's, the bodies are
the types' (see ``shapes``), what a refusal means is its class's docstring, the examples are the
reference's own (see ``examples``).
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, get_args

from floorcast.feeds.filters import InteractionConditions
from floorcast.http.error_responses import Failure
from floorcast.http.openapi.error_docs import HEADERS, name_of, refusals, response
from floorcast.http.openapi.examples import examples
from floorcast.http.openapi.operations import Shown, operation, tag_of
from floorcast.http.openapi.schemas import components
from floorcast.http.routing import ANY, Handler, Route, Table
from floorcast.ingest.accept import NothingAccepted
from floorcast.model.filter_parsing import ServiceConditions
from floorcast.model.inbound import InboundEvent
from floorcast.model.outbound import InteractionEvent
from floorcast.statistics.requests import CampaignConditions

__all__ = ["document"]

ABOUT = """\
Real-time reporting for contact centers: the LiveVox Real-Time Reporting API, and one method of \
its own by which events come in.

Every path is understood with and without a trailing slash, and with and without a version \
behind its first segment: `/realtime/v6.0/service/stats`, `/session/v5.0/login`.

Bodies are JSON. No body, an empty one and `{}` mean the same. Unknown members are ignored, but \
not in `filter`. An id in a request is a number or a string of digits; whole \
numbers are written without a point. Answers are \
`Cache-Control: no-store`, and gzip where `Accept-Encoding` asks for it; a body may be sent with \
`Content-Encoding: gzip`.

What is no success is `{code, message}`; the message says what to change. Another path is 404, \
another method 405, with those that there are in `Allow`, which `OPTIONS` tells, too. What each \
figure means: `docs/metrics.md`."""

SECURITY = {
    "session": {
        "type": "apiKey",
        "in": "header",
        "name": "LV-Session",
        "description": "The `sessionId` of a login; it lives while it is used once in 2 hours.",
    },
    "sessionCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "LV-Session",
        "description": "The same as a cookie, which a login with `?cookie=true` sets: for a"
        " browser's `EventSource`, which can set no headers.",
    },
    "apiToken": {
        "type": "apiKey",
        "in": "header",
        "name": "LV-Access",
        "description": "An API token of the client.",
    },
    "bearerApiToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "The API token, in `Authorization`.",
    },
    "ingestKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "An ingest key of the client, in `Authorization`.",
    },
    "screenKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A screen key, made by `floorcast key new --screen`, in `Authorization`.",
    },
}

_ANY = ("get", "post")  # stand for every method where the table says so


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The document of these routes; the same routes make the same document, member by member."""
    routes = list(routes)
    table = Table(routes)
    shown: dict[Handler, Shown] = {}
    for name, example in examples().items():
        route, _ = table.find(example.method, example.target.partition("?")[0])
        shown.setdefault(route.handler, {})[name] = example
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        methods = _ANY if route.method == ANY else (route.method.lower(),)
        for method in methods:
            told = operation(route, method, shown.get(route.handler, {}))
            paths.setdefault(route.path, {})[method] = told
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "floorcast",
            "version": _version(),
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(map(tag_of, routes))],
        "paths": paths,
        "components": {
            "schemas": components(_recorded_at(routes), _given(routes)),
            "responses": _refused(routes),
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
    }


def _version() -> str:
    try:
        return version("floorcast")
    except PackageNotFoundError:
        return "0"


def _recorded_at(routes: list[Route]) -> list[object]:
    kinds: list[object] = [route.body for route in routes if route.body is not None]
    return [*kinds, InteractionConditions, ServiceConditions, CampaignConditions, InboundEvent]


def _given(routes: list[Route]) -> list[object]:
    kinds: list[object] = [route.answer for route in routes if route.answer is not None]
    return [*kinds, *get_args(InteractionEvent), Failure, NothingAccepted]


def _refused(routes: list[Route]) -> dict[str, Any]:
    found = [classes for route in routes for classes in refusals(route).values()]
    return dict(sorted((name_of(classes), response(classes)) for classes in found))
