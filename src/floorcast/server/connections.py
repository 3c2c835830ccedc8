"""Connections as uvicorn has them, and as a stream takes them over.

A stream's connection is handed over: from then on it belongs to the feed's reader alone, and
all that HTTP needed of it (parser, scope, task) is freed. Parsing and routing stay uvicorn's
and the one table's.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Protocol, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from floorcast.http.handlers.streams import TAKE_OVER
from floorcast.http.request_context import GONE
from floorcast.server.epoll_transport import EpollTransport
from floorcast.server.upgrades import NeverUpgraded

__all__ = ["Connection", "ConnectionTakeover", "Shared", "to_who_is_there"]

SEND_BUFFER = 256 * 1024  # bytes of a stream in the kernel: a reader's alone, so not what grows


class Held(Protocol):
    """What a door leads to."""

    @property
    def transport(self) -> asyncio.Transport:
        """What the connection writes to."""

    def hand_over(self, headers: list[tuple[bytes, bytes]], stream: asyncio.Protocol) -> bool:
        """Let ``stream`` have the connection; False if it is gone."""


class ConnectionTakeover:
    """Where a connection can be taken over, for as long as it is there.

    A request's scope holds the door and not the connection, which holds the scope: a circle
    would wait for the garbage collector.
    """

    __slots__ = ("_connection", "_until_gone", "asked")

    def __init__(self, connection: Held) -> None:
        self.asked = False  # whether a stream wanted the connection: it has it, or it is gone
        self._connection: Held | None = connection
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


class Shared(ServerState):
    """What connections share.

    ``wires`` has those that were handed over; where it is None (epoll is Linux's), uvloop keeps
    them.
    """

    def __init__(self, wires: EpollTransport | None) -> None:
        super().__init__()
        self.wires = wires


class Connection(NeverUpgraded):
    """uvicorn's connection, which can be handed over to a stream.

    It has one attribute of its own. With a second one all of them (uvicorn's are 28) would take
    1.3 KB more: Python shares the names of up to 29 among all objects of a class.
    """

    server_state: Shared

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """See ``asyncio.Protocol``."""
        super().connection_made(transport)
        self._takeover = ConnectionTakeover(self)

    def on_message_begin(self) -> None:
        """A request begins: let its handler find the door."""
        super().on_message_begin()
        extensions = cast("dict[str, Any]", self.scope)
        extensions["extensions"] = {TAKE_OVER: self._takeover, GONE: self._takeover.until_gone}

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._takeover.shut()
        super().connection_lost(exc)

    def hand_over(self, headers: list[tuple[bytes, bytes]], stream: asyncio.Protocol) -> bool:
        """Write the head of the answer, and let ``stream`` have the connection."""
        transport = self.transport
        if transport.is_closing():
            return False
        self._takeover.shut()
        self.connections.discard(self)
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self.parser = None  # type: ignore[assignment]  # as uvicorn does: it is held by what it holds
        lines = [b"%b: %b\r\n" % header for header in self.server_state.default_headers + headers]
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if self.server_state.wires is not None:
            transport = self.server_state.wires.take(transport, stream)
        else:
            transport.set_protocol(stream)
        transport.write(b"".join((b"HTTP/1.1 200 OK\r\n", *lines, b"\r\n")))
        try:
            stream.connection_made(transport)
        except BaseException:
            transport.abort()
            raise
        return True


def to_who_is_there(api: ASGIApp) -> ASGIApp:
    """Let uvicorn ask for no answer's end where there is nobody to answer any more.

    Either a stream has the connection; or its caller has just gone: uvloop refuses a write to a
    connection that was reset before it has told of that, which uvicorn would log as a fault of
    ours.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        takeover = scope.get("extensions", {}).get(TAKE_OVER)
        try:
            await api(scope, receive, send)
        except RuntimeError:
            if not isinstance(takeover, ConnectionTakeover) or not takeover.gone:
                raise
        else:
            if not isinstance(takeover, ConnectionTakeover) or not takeover.asked:
                return
        # not the connection's newest request: others may have come behind it in one packet
        cycle = getattr(send, "__self__", None)
        if isinstance(cycle, RequestResponseCycle):
            cycle.disconnected = True

    return app
