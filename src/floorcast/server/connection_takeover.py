"""How a stream takes its connection over from HTTP.

From then on the connection belongs to the feed's reader alone, and everything that HTTP needed
for it (parser, scope, task) is freed.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from floorcast.http.error_responses import error_response
from floorcast.http.handlers.streams import TAKE_OVER
from floorcast.model.errors import RateLimited
from floorcast.server.connection_limits import ConnectionLimits

__all__ = ["ConnectionTakeover", "CountedStream", "TakenOver", "limited_by_address"]


class TakenOver(Protocol):
    """A connection that can be taken over."""

    @property
    def transport(self) -> asyncio.Transport:
        """What the connection writes to."""

    def hand_over(self, headers: list[tuple[bytes, bytes]], stream: asyncio.Protocol) -> bool:
        """Let ``stream`` have the connection; False if it is gone."""


class ConnectionTakeover:
    """Where a connection can be taken over, for as long as it is there.

    A request's scope holds this and not the connection, which holds the scope: a circle would
    wait for the garbage collector.
    """

    __slots__ = ("_connection", "_until_gone", "asked", "forwarded", "peer")

    def __init__(self, connection: TakenOver, peer: str = "") -> None:
        self.asked = False  # whether a stream wanted the connection: it has it, or it is gone
        self.peer = peer  # the address at the other end of the connection: perhaps a proxy's
        self.forwarded: str | None = None  # under which a proxy's request under way counts
        self._connection: TakenOver | None = connection
        self._until_gone: asyncio.Future[None] | None = None

    @property
    def gone(self) -> bool:
        """Whether nothing can be written to the connection any more."""
        return self._connection is None or self._connection.transport.is_closing()

    def until_gone(self) -> asyncio.Future[None]:
        """See ``floorcast.http.request_context.GONE``; of one request at a time."""
        self._until_gone = asyncio.get_running_loop().create_future()
        if self._connection is None:
            self._until_gone.set_result(None)
        return self._until_gone

    def shut(self) -> None:
        """Nothing is to be taken over any more, and nobody waits for an answer."""
        self._connection = None
        if self._until_gone is not None and not self._until_gone.done():
            self._until_gone.set_result(None)

    def __call__(self, headers: list[tuple[bytes, bytes]], stream: asyncio.Protocol) -> bool:
        """See ``floorcast.http.handlers.streams.TakeOver``."""
        self.asked = True
        return self._connection is not None and self._connection.hand_over(headers, stream)


class CountedStream(asyncio.Protocol):
    """A stream's reader, whose connection counts until it is lost."""

    __slots__ = ("_address", "_forwarded", "_limits", "_stream")

    def __init__(
        self,
        stream: asyncio.Protocol,
        limits: ConnectionLimits,
        address: str | None,
        forwarded: str | None,
    ) -> None:
        self._stream = stream
        self._limits = limits
        self._address = address
        self._forwarded = forwarded

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._stream.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection counts no more."""
        if self._address is not None:
            self._limits.leave(self._address)
        if self._forwarded is not None:
            self._limits.leave_request(self._forwarded)
        self._address = self._forwarded = None
        self._stream.connection_lost(exc)

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._stream.resume_writing()

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._stream.data_received(data)

    def eof_received(self) -> bool | None:
        """See ``asyncio.Protocol``."""
        return self._stream.eof_received()


def limited_by_address(api: ASGIApp, limits: ConnectionLimits) -> ASGIApp:
    """Bound the requests under way, streams included, per address that a trusted proxy names."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        takeover = scope.get("extensions", {}).get(TAKE_OVER)
        address = scope["client"][0] if scope.get("client") else ""
        if not isinstance(takeover, ConnectionTakeover) or address == takeover.peer:
            await api(scope, receive, send)
            return
        if not limits.enter_request(address):
            refusal = RateLimited("there are too many requests under way from your address", 1)
            await error_response(refusal).send(send, gzip=False)
            return
        takeover.forwarded = address
        try:
            await api(scope, receive, send)
        finally:
            if takeover.forwarded is not None:  # no stream has taken it along
                takeover.forwarded = None
                limits.leave_request(address)

    return app
