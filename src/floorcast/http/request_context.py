"""A request, its handler's context, and the formats that the caller accepts (RFC 9110, 12.5)."""

from __future__ import annotations

import asyncio
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeVar

import msgspec
from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope

from floorcast.auth.session import MethodGroup, Session
from floorcast.http.bodies import MAX_JSON_BYTES, read_body, read_json
from floorcast.http.services import Services
from floorcast.model.errors import BadSession, InvalidParameter, MissingParameter

__all__ = ["GONE", "Caller", "RequestContext", "accepts", "accepts_gzip"]


CACHED_HEADERS = 512  # values that are remembered for each of the two headers
CACHED_LENGTH = 256  # characters; no browser's or library's header is longer


def accepts(accept: str, media_type: str) -> bool:
    """Return whether ``Accept`` accepts ``media_type``. The most specific range decides."""
    check = _accepts if len(accept) <= CACHED_LENGTH else _accepts.__wrapped__
    return check(accept, media_type)


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether the caller accepts gzip and does not prefer the plain bytes."""
    check = _accepts_gzip if len(accept_encoding) <= CACHED_LENGTH else _accepts_gzip.__wrapped__
    return check(accept_encoding)


@lru_cache(maxsize=CACHED_HEADERS)
def _accepts(accept: str, media_type: str) -> bool:
    weights = _weights(accept)
    if not weights:
        return True
    kind = media_type.partition("/")[0]
    for media_range in (media_type, f"{kind}/*", "*/*"):
        if media_range in weights:
            return weights[media_range] > 0
    return False


@lru_cache(maxsize=CACHED_HEADERS)
def _accepts_gzip(accept_encoding: str) -> bool:
    weights = _weights(accept_encoding)
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weights(header: str) -> dict[str, float]:
    """Return each listed value, in lower case, with its ``q``. A malformed ``q`` counts as 0."""
    weights: dict[str, float] = {}
    for item in header.split(","):
        value, *parameters = (part.strip().lower() for part in item.split(";"))
        if value:
            weights[value] = max(_weight(parameters), weights.get(value, 0.0))
    return weights


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


GONE = "floorcast.gone"
"""The ASGI extension whose future is done once the caller has disconnected."""

T = TypeVar("T", bound=msgspec.Struct)


class Caller(NamedTuple):
    """The ids of the client and the user that sent a request, as far as they are known."""

    client: int | None = None
    user: int | None = None


class RequestContext:
    """A request, the server's services and, once admitted, the caller's session.

    ``parameter`` is the value of the route's path parameter. ``methods`` is the group of methods
    that the route belongs to. ``extra_headers`` are added to the response, even to an error.
    ``caller`` is for the log.
    """

    def __init__(self, services: Services, scope: Scope, receive: Receive) -> None:
        self.services = services
        self.scope = scope
        self.receive = receive
        self.parameter = ""
        self._body: bytes | None = None
        self.admitted: Session | None = None
        self.caller = Caller()
        self.methods: MethodGroup | None = None
        self.extra_headers: tuple[tuple[str, str], ...] = ()

    @cached_property
    def headers(self) -> Headers:
        """The request's headers, by name in any case."""
        return Headers(scope=self.scope)

    @cached_property
    def query(self) -> QueryParams:
        """The request's query parameters."""
        return QueryParams(self.scope["query_string"])

    def single_header(self, name: str) -> str | None:
        """Return a header's value, or None. Raises InvalidParameter if there are several.

        A proxy in front of the server may have checked or set another one than the first.
        """
        values = self.headers.getlist(name)
        if len(values) > 1:
            raise InvalidParameter(f"the request has more than one {name} header")
        return values[0] if values else None

    @property
    def session(self) -> Session:
        """The caller's session. Raises BadSession if the request has none."""
        if self.admitted is None:
            raise BadSession("the header LV-Session is required")
        return self.admitted

    @property
    def accept(self) -> str:
        """The media types that the caller accepts: all ``Accept`` headers joined."""
        return ",".join(self.headers.getlist("accept"))

    @property
    def accepts_gzip(self) -> bool:
        """Whether the response may be compressed."""
        return accepts_gzip(",".join(self.headers.getlist("accept-encoding")))

    @property
    def address(self) -> str:
        """The caller's address, as far as the transport knows it."""
        client = self.scope.get("client")
        return client[0] if client else ""

    def disconnected(self) -> asyncio.Future[None]:
        """Return a future that is done when the caller disconnects. Cancel it after use.

        With a transport other than floorcast's, the future is a task, which takes 2 KB.
        """
        until_gone = self.scope.get("extensions", {}).get(GONE)
        if until_gone is None:
            return asyncio.ensure_future(_on_disconnect(self.receive))
        future: asyncio.Future[None] = until_gone()
        return future

    def query_parameter(self, name: str) -> str:
        """Return a required query parameter. Raises MissingParameter."""
        value = self.query.get(name, "").strip()
        if not value:
            raise MissingParameter(f"{name} is missing: expected {name}=… in the URL's query")
        return value

    async def read_ahead(self) -> None:
        """Read the body now, so that a slow upload does not hold the handler's resources."""
        self._body = await read_body(self.receive, self.headers, MAX_JSON_BYTES)

    async def json(self, shape: type[T]) -> T:
        """Return the decoded JSON body.

        Raises the errors of ``read_body`` and ``read_json``, and InvalidParameter.
        """
        if self._body is None:
            await self.read_ahead()
        return read_json(self._body or b"", shape, self.single_header("Content-Type") or "")


async def _on_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
