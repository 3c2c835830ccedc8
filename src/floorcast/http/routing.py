"""What a route is, and how a request finds its own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta, Struct

from floorcast.auth.roles import Methods
from floorcast.http.error_responses import MethodNotAllowed
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response
from floorcast.model.errors import FloorcastError, NotFound
from floorcast.site.configuration import FeedName

__all__ = ["ANY", "Handler", "Query", "Route", "Table"]

Handler = Callable[[RequestContext], Awaitable[Response]]

ANY = "*"
"""In place of a method: whatever method is sent."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter: its name, its meaning, and whether it must be given.

    ``kind`` is its type; one that is a Struct is given as URL-encoded JSON.
    """

    name: str
    doc: str
    required: bool = False
    kind: object = Annotated[str, Meta(pattern=r"\S")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A row of the table: all that the dispatcher, the checks and the documentation need.

    ``methods`` is the group whose roles may call it; None: no session is asked for.
    ``always``: answered while the server starts, too.
    ``alias``: the path as the reference's own example has it.
    ``needs``: what opens it, where that is no session.
    ``events``: what may be sent by media type, where that is not one JSON object (``body``).
    ``refusals``: those that the other members do not tell of.
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
    needs: Literal["API token", "ingest key"] | None = None
    events: Mapping[str, object] = field(default_factory=dict)
    refusals: tuple[type[FloorcastError], ...] = ()


# The version that clients in the field put behind the first segment: /realtime/v6.0/…
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
                    raise ValueError(f"{route.method} {path} is there twice")
                methods[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, str]:
        """The route of a request, and the part of the path that it leaves open.

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
        parent, _, last = path.rpartition("/")
        if last and (methods := self._paths.get(f"{parent}/{{}}")) is not None:
            return methods, last
        raise NotFound("there is no such path")


def _open(path: str) -> str:
    return re.sub(r"\{\w+\}$", "{}", path)


def _allowed(methods: _Methods) -> list[str]:
    implied = {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    return sorted(set(methods) | implied)
