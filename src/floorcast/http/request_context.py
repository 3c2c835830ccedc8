"""A request and what its handler needs to serve it."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TypeVar

import msgspec
from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope

from floorcast.auth.session import Session
from floorcast.http.bodies import JSON_LIMIT, read_body, read_json
from floorcast.http.content_negotiation import admits_gzip
from floorcast.http.services import Services
from floorcast.model.errors import BadSession, MissingParameter

__all__ = ["GONE", "RequestContext"]

GONE = "floorcast.gone"
"""The ASGI extension that returns a future, done once the caller has disconnected."""

T = TypeVar("T", bound=msgspec.Struct)


class RequestContext:
    """A request, the server's services and, once admitted, the caller's session.

    ``parameter`` is the value of the route's path parameter. ``extra`` are headers that the
    response carries whatever the outcome.
    """

    def __init__(self, services: Services, scope: Scope, receive: Receive) -> None:
        self.services = services
        self.scope = scope
        self.receive = receive
        self.parameter = ""
        self.admitted: Session | None = None
        self.extra: tuple[tuple[str, str], ...] = ()

    @cached_property
    def headers(self) -> Headers:
        """The request's headers, by name in any case."""
        return Headers(scope=self.scope)

    @cached_property
    def query(self) -> QueryParams:
        """The request's query parameters."""
        return QueryParams(self.scope["query_string"])

    @property
    def session(self) -> Session:
        """The caller's session; raises BadSession if the route needs none."""
        if self.admitted is None:
            raise BadSession("the header LV-Session is required")
        return self.admitted

    @property
    def accept(self) -> str:
        """The media types that the caller accepts: all ``Accept`` headers joined."""
        return ",".join(self.headers.getlist("accept"))

    @property
    def takes_gzip(self) -> bool:
        """Whether the response may be compressed."""
        return admits_gzip(",".join(self.headers.getlist("accept-encoding")))

    @property
    def address(self) -> str:
        """The caller's address, as far as the transport knows it."""
        client = self.scope.get("client")
        return client[0] if client else ""

    def gone(self) -> asyncio.Future[None]:
        """Done once the caller has disconnected; cancel it when it is not needed any more.

        Under another transport than ours it is a task, which costs 2 KB.
        """
        until_gone = self.scope.get("extensions", {}).get(GONE)
        if until_gone is None:
            return asyncio.ensure_future(_disconnected(self.receive))
        made: asyncio.Future[None] = until_gone()
        return made

    def parameter_of(self, name: str) -> str:
        """A required query parameter; raises MissingParameter."""
        value = self.query.get(name, "").strip()
        if not value:
            raise MissingParameter(f"{name} is missing: expected it in the query")
        return value

    async def json(self, shape: type[T]) -> T:
        """The body as JSON; raises what ``bodies.read_body`` and ``bodies.read_json`` raise."""
        body = await read_body(self.receive, self.headers, JSON_LIMIT)
        return read_json(body, shape, self.headers.get("content-type", ""))


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
