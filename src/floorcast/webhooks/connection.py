"""A connection to a webhook's receiver.

The responses are parsed by httptools, like the server's requests. Only the status and
``Retry-After`` are used. The body is read so that the connection can be reused. The connection is
closed if the body exceeds ``MAX_RESPONSE_BYTES`` or does not end in time.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple, cast

import httptools

__all__ = ["ClosedEarly", "ReceiverConnection", "Reply", "RequestFailed"]

MAX_RESPONSE_BYTES = 4096  # of a body; if it is longer, the connection is closed
MAX_HEAD_BYTES = 32_768
MIN_FINAL_STATUS = 200  # status; a 1xx response precedes the final one


class RequestFailed(Exception):
    """The request got no response. The message tells the operator the reason."""


class Reply(NamedTuple):
    """The status of a response, and its raw ``Retry-After`` and ``Date``, empty if missing."""

    status: int
    retry_after: str = ""
    date: str = ""


class ClosedEarly(Exception):
    """The connection was closed before any byte of a response."""


class ReceiverConnection(asyncio.Protocol):
    """A connection to a receiver. httptools calls the ``on_`` methods."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._reply: asyncio.Future[Reply] = loop.create_future()
        self._body_ended: asyncio.Future[bool] = loop.create_future()
        self._retry_after = self._date = ""
        self._head_bytes = self._body_bytes = 0
        self.usable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass

    async def send_request(self, request: bytes) -> Reply:
        """Send a request, and wait for the head of its response."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        self._reply, self._body_ended = loop.create_future(), loop.create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._retry_after = self._date = ""
        self._head_bytes = self._body_bytes = 0
        if not self.usable:
            raise ClosedEarly
        self._transport.write(request)
        return await self._reply

    async def read_body(self, seconds: float) -> bool:
        """Wait for the end of the response. Returns whether the connection can be reused."""
        if not self._body_ended.done():
            await asyncio.wait([self._body_ended], timeout=seconds)
        return self._body_ended.done() and self.usable

    def data_received(self, data: bytes) -> None:
        """Parse a piece of the response."""
        if self._parser is None or self._body_ended.done():
            self.abort()  # no response is expected
            return
        if not self._reply.done():
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(RequestFailed("the response is not HTTP"))
            self.abort()
        if self._head_bytes > MAX_HEAD_BYTES and not self._reply.done():
            self._fail(RequestFailed(f"the response's head has more than {MAX_HEAD_BYTES} bytes"))
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store ``Retry-After`` and ``Date``."""
        match name.lower():
            case b"retry-after":
                self._retry_after = value[:64].decode("latin-1")
            case b"date":
                self._date = value[:64].decode("latin-1")

    def on_headers_complete(self) -> None:
        """Finish waiting for the head, unless the response is a 1xx response."""
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status >= MIN_FINAL_STATUS and not self._reply.done():
            self._reply.set_result(Reply(status, self._retry_after, self._date))

    def on_body(self, body: bytes) -> None:
        """Count the bytes of the body, and close the connection if there are too many."""
        self._body_bytes += len(body)
        if self._body_bytes > MAX_RESPONSE_BYTES:
            self.abort()

    def on_message_complete(self) -> None:
        """Finish reading the response."""
        assert self._parser is not None
        if self._parser.get_status_code() >= MIN_FINAL_STATUS and not self._body_ended.done():
            self.usable = self.usable and self._parser.should_keep_alive()
            self._body_ended.set_result(True)

    def connection_lost(self, _error: Exception | None) -> None:
        """Fail the request that is waiting for its response."""
        if self._head_bytes:
            self._fail(RequestFailed("the connection was closed before the end of the response"))
        else:
            self._fail(ClosedEarly())
        self.abort()

    def _fail(self, error: Exception) -> None:
        if self._parser is not None and not self._reply.done():
            self._reply.set_exception(error)

    def abort(self) -> None:
        """Close the connection at once."""
        self.usable = False
        if not self._body_ended.done():
            self._body_ended.set_result(False)
        if self._transport is not None:
            self._transport.abort()
