"""Responses to requests that cannot be parsed or admitted, sent without a handler."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

import msgspec

from floorcast.http.error_responses import Failure

__all__ = [
    "BODY_TOO_SLOW",
    "CONNECT_REFUSED",
    "FULL",
    "HEAD_TOO_LARGE",
    "HEAD_TOO_SLOW",
    "INVALID_HOST",
    "MAX_HEADERS",
    "MAX_HEAD_BYTES",
    "NOT_HTTP",
    "NO_HOST",
    "NO_MEMORY",
    "SERVER_ERROR",
    "SEVERAL_HOSTS",
    "TOO_MANY_CONNECTIONS",
    "UNKNOWN_CODING",
    "URL_TOO_LONG",
    "ProtocolRefusal",
]

MAX_HEAD_BYTES = 32 * 1024  # of a request's head
MAX_HEADERS = 128


class ProtocolRefusal(NamedTuple):
    """A response that closes its connection. ``kind`` names the refusal in the log."""

    status: HTTPStatus
    code: int
    message: str
    kind: str
    headers: tuple[bytes, ...] = ()

    def encode(self, defaults: list[tuple[bytes, bytes]]) -> bytes:
        """Encode the response, including the headers that every response has."""
        body = msgspec.json.encode(Failure(self.code, self.message))
        lines = (
            b"HTTP/1.1 %d %b" % (self.status.value, self.status.phrase.encode()),
            *(b"%b: %b" % header for header in defaults),
            *self.headers,
            b"cache-control: no-store",
            b"content-type: application/json",
            b"content-length: %d" % len(body),
            b"connection: close",
        )
        return b"\r\n".join((*lines, b"", body))


_RETRY = (b"retry-after: 1",)

NOT_HTTP = ProtocolRefusal(
    HTTPStatus.BAD_REQUEST,
    202,
    "the request is not valid HTTP/1.1, or its method is unknown",
    "not_http",
)
SEVERAL_HOSTS = ProtocolRefusal(
    HTTPStatus.BAD_REQUEST, 202, "the request has more than one Host header", "not_http"
)
NO_HOST = ProtocolRefusal(
    HTTPStatus.BAD_REQUEST, 202, "the Host header is missing: HTTP/1.1 requires it", "not_http"
)
INVALID_HOST = ProtocolRefusal(
    HTTPStatus.BAD_REQUEST, 202, "the Host header must be a host name and a port", "not_http"
)
UNKNOWN_CODING = ProtocolRefusal(
    HTTPStatus.BAD_REQUEST,
    202,
    "Transfer-Encoding must be chunked, which needs HTTP/1.1; for a compressed body, use"
    " Content-Encoding",
    "not_http",
)
HEAD_TOO_LARGE = ProtocolRefusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    431,
    f"the request's headers are too large: at most {MAX_HEADERS} headers, and a head of at most"
    f" {MAX_HEAD_BYTES:,} bytes",
    "head_too_large",
)
URL_TOO_LONG = ProtocolRefusal(
    HTTPStatus.REQUEST_URI_TOO_LONG,
    414,
    f"the request's URL is too long: a head has at most {MAX_HEAD_BYTES:,} bytes",
    "url_too_long",
)
CONNECT_REFUSED = ProtocolRefusal(
    HTTPStatus.METHOD_NOT_ALLOWED,
    405,
    "CONNECT is not supported: this server is not a proxy",
    "connect",
    (b"allow: GET, HEAD, POST, DELETE, OPTIONS",),
)
HEAD_TOO_SLOW = ProtocolRefusal(
    HTTPStatus.REQUEST_TIMEOUT, 408, "the request's head did not arrive in time", "head_too_slow"
)
BODY_TOO_SLOW = ProtocolRefusal(
    HTTPStatus.REQUEST_TIMEOUT, 408, "the request's body arrives too slowly", "body_too_slow"
)
TOO_MANY_CONNECTIONS = ProtocolRefusal(
    HTTPStatus.TOO_MANY_REQUESTS,
    429,
    "there are too many connections from your address: close some, or reuse them",
    "address_full",
    _RETRY,
)
FULL = ProtocolRefusal(
    HTTPStatus.SERVICE_UNAVAILABLE, 101, "the server has no room for a connection", "full", _RETRY
)
NO_MEMORY = ProtocolRefusal(
    HTTPStatus.SERVICE_UNAVAILABLE, 101, "the server is out of memory", "no_memory", _RETRY
)
SERVER_ERROR = ProtocolRefusal(
    HTTPStatus.INTERNAL_SERVER_ERROR, 100, "The server failed; see its log.", "fault"
)
