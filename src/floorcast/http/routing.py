"""A route: the method and path, the handler, and their documentation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta, Struct

from floorcast.auth.session import MethodGroup
from floorcast.http.request_context import RequestContext
from floorcast.http.responses import Response
from floorcast.model.errors import FloorcastError
from floorcast.site.configuration import FeedName

__all__ = ["ANY", "Handler", "QueryParameter", "Route"]

Handler = Callable[[RequestContext], Awaitable[Response]]

ANY = "*"
"""Stands for any HTTP method."""


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """A query parameter: its name, its description, and whether it is required.

    ``kind`` is its type. A Struct is passed as URL-encoded JSON.
    """

    name: str
    doc: str
    required: bool = False
    kind: object = Annotated[str, Meta(pattern=r"\S")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A row of the route table, with everything that dispatch, admission and documentation need.

    ``methods``: the group of methods whose roles may call the route; None if it needs no session.
    ``always``: whether the route is also served while the server starts.
    ``alias``: another path, which an example in the reference uses.
    ``needs``: the credential that the route needs instead of a session.
    ``events``: the body's type for each media type, if the body is not one JSON object (``body``).
    ``operation``: the operation's name in the OpenAPI document, if it differs from the handler's.
    ``refusals``: refusals that do not follow from the other members.
    """

    method: str
    path: str
    handler: Handler
    doc: str
    methods: MethodGroup | None = None
    feed: FeedName | None = None
    query: tuple[QueryParameter, ...] = ()
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
