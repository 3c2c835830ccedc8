"""Routes, and the table that finds the route of a request."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta, Struct

from floorcast.auth.session import Methods
from floorcast.http.error_responses import MethodNotAllowed
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response
from floorcast.model.errors import FloorcastError, NotFound
from floorcast.site.configuration import FeedName

__all__ = ["ANY", "Handler", "Query", "Route", "Table"]

Handler = Callable[[RequestContext], Awaitable[Response]]

ANY = "*"
"""In place of a method: any method."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter: its name, its description, and whether it is required.

    ``kind`` is its type. A Struct is passed as URL-encoded JSON.
    """

    name: str
    doc: str
    required: bool = False
    kind: object = Annotated[str, Meta(pattern=r"\S")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A row of the table: everything that dispatch, admission and documentation need.

    ``methods``: the group of methods whose roles may call it; None: it needs no session.
    ``always``: it is also served while the server starts.
    ``alias``: another path, as printed in the reference's example.
    ``needs``: the credential that it needs instead of a session.
    ``events``: the bodies by media type, where ``body`` (one JSON object) does not apply.
    ``operation``: its name in the document, if the handler's own does not make a good function.
    ``refusals``: refusals that do not follow from the other members.
    """

    method: str
    path: str
    handler: Handler
    doc: str
    methods: Methods | None = None
    feed: FeedName | None = None
    query: tuple[Query, ...] = ()
    body: type[Struct] | None = None
    answer: type[Struct] | None = None
    status: int = 200
    media_type: str = "application/json"
    alias: str | None = None
    deprecated: bool = False
    cookie: bool = False
    always: bool = False
    needs: Literal["API token", "ingest key", "metrics key", "screen key"] | None = None
    events: Mapping[str, object] = field(default_factory=dict)
    refusals: tuple[type[FloorcastError], ...] = ()
    operation: str = ""


# Clients in the field put a version after the first segment: /realtime/v6.0/…
_VERSION = re.compile(r"(?<=^/realtime)/v\d+(?:\.\d+)*(?=/)|(?<=^/session)/v\d+(?:\.\d+)*(?=/)")

_Methods = dict[str, Route]


class Table:
    """The routes by path and method."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._paths: dict[str, _Methods] = {}
        for route in routes:
            for path in filter(None, (route.path, route.alias)):
                methods = self._paths.setdefault(_open(path), {})
                if route.method in methods:
                    raise ValueError(f"{route.method} {path} is listed twice")
                methods[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, str]:
        """The route of a request, and the value of its path parameter.

        Raises NotFound and MethodNotAllowed.
        """
        methods, parameter = self._methods(path)
        route = methods.get(method) or methods.get(ANY)
        if route is None and method == "HEAD":
            route = methods.get("GET")
        if route is None:
            raise MethodNotAllowed(method, _allowed(methods))
        return route, parameter

    def _methods(self, path: str) -> tuple[_Methods, str]:
        methods = self._paths.get(path)
        if methods is not None:
            return methods, ""
        path = _VERSION.sub("", path.removesuffix("/"), count=1)
        if (methods := self._paths.get(path)) is not None:
            return methods, ""
        parts = path.rsplit("/", 2)
        for place in range(
            len(parts) - 1, 0, -1
        ):  # a parameter is the last part, or the one before
            opened = "/".join((*parts[:place], "{}", *parts[place + 1 :]))
            if parts[place] and (methods := self._paths.get(opened)) is not None:
                return methods, parts[place]
        raise NotFound("there is no such path")


def _open(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def _allowed(methods: _Methods) -> list[str]:
    implied = {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    return sorted(set(methods) | implied)
