"""Finding a route for all ways in which clients write a path."""

from __future__ import annotations

import pytest

from floorcast.http.error_responses import MethodNotAllowed
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response
from floorcast.http.routing import ANY, Route, Table
from floorcast.model.errors import NotFound


async def nothing(_exchange: RequestContext) -> Response:
    """A handler."""
    return Response(204)


def route(method: str, path: str, alias: str | None = None) -> Route:
    """A row of the table."""
    return Route(method=method, path=path, handler=nothing, doc="", alias=alias)


TABLE = Table(
    [
        route("POST", "/realtime/service/stats"),
        route("POST", "/realtime/service/agents/status", alias="/realtime/service/status"),
        route("GET", "/session/validate"),
        route("GET", "/session/validate/{sessionId}"),
        route("DELETE", "/session/logout/{sessionId}"),
        route("POST", "/ingest/v1/events"),
        route(ANY, "/realtime/callEvent"),
    ]
)


@pytest.mark.parametrize(
    ("path", "found", "parameter"),
    [
        ("/realtime/service/stats", "/realtime/service/stats", ""),
        ("/realtime/service/stats/", "/realtime/service/stats", ""),
        ("/realtime/v6.0/service/stats", "/realtime/service/stats", ""),
        ("/realtime/v12/service/stats/", "/realtime/service/stats", ""),
        ("/realtime/service/status", "/realtime/service/agents/status", ""),
        ("/realtime/v6.0/service/status/", "/realtime/service/agents/status", ""),
        ("/session/v5.0/validate", "/session/validate", ""),
        ("/session/validate/", "/session/validate", ""),
        ("/session/v5.0/validate/abc", "/session/validate/{sessionId}", "abc"),
        ("/session/validate/v5.0", "/session/validate/{sessionId}", "v5.0"),
        ("/ingest/v1/events", "/ingest/v1/events", ""),
        ("/realtime/v6.0/callEvent", "/realtime/callEvent", ""),
    ],
)
def test_a_path_is_found_however_it_is_written(path: str, found: str, parameter: str) -> None:
    """A trailing slash and a version are optional."""
    methods = {"/ingest/v1/events": "POST", "/realtime/callEvent": "PURGE"}
    method = methods.get(found, "GET" if "validate" in found else "POST")
    row, last = TABLE.find(method, path)
    assert (row.path, last) == (found, parameter)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/realtime",
        "/realtime/v6.0",
        "/realtime/service",
        "/realtime/service/stats//",
        "/realtime/v/service/stats",
        "/realtime/v6./service/stats",
        "/realtime/service/v6.0/stats",
        "/v6.0/realtime/service/stats",
        "/ingest/events",
        "/ingest/v1/v1/events",
        "/session/logout",
        "/session/logout/",
        "/session/validate/a/b",
        "/realtime/service/stats\0",
    ],
)
def test_other_paths_are_not_there(path: str) -> None:
    """Each gets 404."""
    with pytest.raises(NotFound):
        TABLE.find("POST", path)


def test_other_methods_are_not_allowed() -> None:
    """The error lists the allowed ones. HEAD is allowed where GET is."""
    with pytest.raises(MethodNotAllowed) as refusal:
        TABLE.find("GET", "/realtime/service/stats")
    assert refusal.value.allowed == "OPTIONS, POST"
    with pytest.raises(MethodNotAllowed) as refusal:
        TABLE.find("POST", "/session/validate/x")
    assert refusal.value.allowed == "GET, HEAD, OPTIONS"
    assert TABLE.find("HEAD", "/session/validate")[0].method == "GET"


def test_a_row_that_is_there_twice_is_refused() -> None:
    """Each row must be unique."""
    with pytest.raises(ValueError, match="twice"):
        Table([route("GET", "/a"), route("GET", "/a")])
