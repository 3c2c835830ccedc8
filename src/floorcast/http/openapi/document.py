"""Builds the OpenAPI 3.1 document of the server's API from the route table.

Every fact has one source. Paths, parameters and roles come from the table, schemas from the types
(see ``schemas``), the meaning of an error from its class docstring, and examples from the reference
(see ``examples``).
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, get_args

from floorcast.feeds.filters import InteractionConditions
from floorcast.http.app import RouteTable
from floorcast.http.error_responses import Failure
from floorcast.http.openapi.error_docs import HEADERS, component_name, refusals, response
from floorcast.http.openapi.examples import examples
from floorcast.http.openapi.operations import RouteExamples, operation, tag_of
from floorcast.http.openapi.schemas import components
from floorcast.http.routing import ANY, Handler, Route
from floorcast.ingest.intake import NothingAccepted
from floorcast.model.filter_parsing import ServiceConditions
from floorcast.model.inbound import InboundEvent
from floorcast.model.outbound import InteractionEvent
from floorcast.statistics.requests import CampaignConditions, OneService

__all__ = ["document"]

ABOUT = """\
Real-time reporting for contact centers: the LiveVox Real-Time Reporting API, with methods to send \
events.

Paths work with or without a trailing slash, and with or without a version after the first \
segment: `/realtime/v6.0/service/stats`, `/session/v5.0/login`.

Bodies are JSON. A missing body, an empty body and `{}` are equivalent. Unknown members are \
ignored, except in `filter`. An id in a request is a number or a string of digits. Whole numbers \
have no decimal point. Responses have `Cache-Control: no-store`, and are compressed with gzip if \
`Accept-Encoding` allows it. A request body can have `Content-Encoding: gzip`.

An error has the body `{code, message}`; the message says what to change. An unknown path returns \
404. A wrong method returns 405 and lists the allowed methods in `Allow`. \
[Metrics](https://github.com/floorcast/floorcast/blob/main/docs/metrics.md) defines each figure."""

SECURITY = {
    "session": {
        "type": "apiKey",
        "in": "header",
        "name": "LV-Session",
        "description": "The `sessionId` of a login. A session expires after 2 hours without a "
        "request.",
    },
    "sessionCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "LV-Session",
        "description": "The session as a cookie, which a login with `?cookie=true` sets, for a "
        "browser's `EventSource`, which cannot set headers.",
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
    "metricsKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A metrics key, created with `floorcast key new --metrics`, in "
        "`Authorization`.",
    },
    "screenKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A screen key, created with `floorcast key new --screen`, in "
        "`Authorization`.",
    },
}

_ANY = ("get", "post")  # the methods that are documented for a route that allows any method


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the document of these routes. The same routes always produce the same document."""
    routes = list(routes)
    table = RouteTable(routes)
    examples_by_handler: dict[Handler, RouteExamples] = {}
    for name, example in examples().items():
        route, _ = table.find(example.method, example.target.partition("?")[0])
        examples_by_handler.setdefault(route.handler, {})[name] = example
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        methods = _ANY if route.method == ANY else (route.method.lower(),)
        for method in methods:
            spec = operation(route, method, examples_by_handler.get(route.handler, {}))
            paths.setdefault(route.path, {})[method] = spec
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
            "schemas": components(_request_types(routes), _response_types(routes)),
            "responses": _error_responses(routes),
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
    }


def _version() -> str:
    try:
        return version("floorcast")
    except PackageNotFoundError:
        return "0"


def _request_types(routes: list[Route]) -> list[object]:
    kinds: list[object] = [route.body for route in routes if route.body is not None]
    conditions = [InteractionConditions, ServiceConditions, CampaignConditions, OneService]
    return [*kinds, *conditions, InboundEvent]


def _response_types(routes: list[Route]) -> list[object]:
    kinds: list[object] = [route.answer for route in routes if route.answer is not None]
    return [*kinds, *get_args(InteractionEvent), Failure, NothingAccepted]


def _error_responses(routes: list[Route]) -> dict[str, Any]:
    found = [classes for route in routes for classes in refusals(route).values()]
    return dict(sorted((component_name(classes), response(classes)) for classes in found))
