"""Maps exceptions to HTTP responses (section 9 of the contract)."""

from __future__ import annotations

import uuid
from collections.abc import Collection

import msgspec
import structlog
from starlette.types import Scope

from floorcast.http.bodies import Disconnected
from floorcast.http.responses import Content, Response
from floorcast.model.errors import (
    BadCredentials,
    BadSession,
    FloorcastError,
    RateLimited,
    Refusal,
    Unavailable,
    UnsupportedEncoding,
)

__all__ = ["STATUS", "Failure", "MethodNotAllowed", "error_response", "is_event_source"]

_log = structlog.stdlib.get_logger(__name__)

STATUS = {
    201: 400,
    202: 400,
    203: 400,
    300: 401,
    301: 401,
    302: 403,
    303: 403,
    404: 404,
    405: 405,
    406: 406,
    408: 408,
    410: 410,
    413: 413,
    414: 414,
    415: 415,
    429: 429,
    431: 431,
    100: 500,
    101: 503,
}
"""The HTTP status of each code."""


class Failure(msgspec.Struct):
    """The body of every error response."""

    code: int
    message: str


class MethodNotAllowed(Refusal):
    """The path does not support this method. ``allowed`` lists the methods that it supports."""

    code = 405

    def __init__(self, method: str, allowed: Collection[str]) -> None:
        self.allowed = ", ".join(allowed)
        usual = [one for one in allowed if one not in {"HEAD", "OPTIONS"}]
        super().__init__(f"{method[:16]} is not allowed here; use {' or '.join(usual)}")


def is_event_source(scope: Scope) -> bool:
    """Return whether the caller is a browser's ``EventSource``, which stops at errors."""
    if scope["method"] != "GET":
        return False
    return (b"accept", b"text/event-stream") in scope["headers"]


def error_response(error: Exception, *, event_source: bool = False) -> Response:
    """Return the response for an exception. An unexpected exception is logged with an id.

    An ``event_source`` never reconnects after a status other than 200. For it, ``Unavailable``
    becomes a stream that ends immediately, so that the browser reconnects.
    """
    if event_source and isinstance(error, Unavailable):
        text = f"retry: {max(1, error.retry_after) * 1000}\n\n: closed: {error.message}\n\n"
        return Response(200, Content(text.encode()), media_type="text/event-stream")
    if isinstance(error, Disconnected):
        return Response(499)  # as in nginx's log; no client receives it
    if isinstance(error, MemoryError):
        error = Unavailable("the server is out of memory: send this again in a second")
    if isinstance(error, Refusal | Unavailable):
        status = STATUS[error.code]
        return _failure(status, error.code, error.message, _headers(error))
    error_id = uuid.uuid4().hex
    _log.error("fault", id=error_id, exc_info=error)
    return _failure(500, 100, f"The server failed. In its log, the error has the id {error_id}")


def _failure(
    status: int, code: int, message: str, headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    return Response.json(Failure(code, message), status=status, headers=headers)


def _headers(error: FloorcastError) -> tuple[tuple[str, str], ...]:
    match error:
        case RateLimited() | Unavailable():
            return (("retry-after", str(error.retry_after)),)
        case MethodNotAllowed():
            return (("allow", error.allowed),)
        case BadCredentials():
            return (("www-authenticate", 'Bearer realm="floorcast"'),)
        case BadSession():
            return (("www-authenticate", 'LV-Session realm="floorcast"'),)
        case UnsupportedEncoding():  # after a wrong type, it would send the reader astray
            return (("accept-encoding", "gzip"),)
        case _:
            return ()
