"""Lets a stream take over its connection from HTTP. One epoll then serves it.

After the takeover, the connection belongs only to the feed's reader, and everything that HTTP
needed for it (parser, scope, task) is freed.

In one turn of the loop, uvloop writes to every writable connection and closes every lost
connection. With thousands of readers, this delays sources for too long. One epoll therefore serves
the streams' connections, a few per turn. It also saves memory: a connection in uvloop takes a
kilobyte, but here it takes only a file descriptor and the unsent bytes, which all readers share.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import struct
import time
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from floorcast.http.error_responses import error_response
from floorcast.http.handlers.streams import TAKE_OVER
from floorcast.model.errors import RateLimited
from floorcast.server.connection_limits import ConnectionLimits

__all__ = [
    "TURN_SECONDS",
    "ConnectionTakeover",
    "CountedStream",
    "StreamConnection",
    "StreamPoller",
    "TakeoverTarget",
    "begin_stream",
    "limit_by_address",
]


class TakeoverTarget(Protocol):
    """A connection that can be taken over."""

    @property
    def transport(self) -> asyncio.Transport:
        """The connection's transport."""

    def hand_over(self, headers: list[tuple[bytes, bytes]], stream: asyncio.Protocol) -> bool:
        """Pass the connection to ``stream``. Returns False if it is gone."""


class ConnectionTakeover:
    """Lets a request take over its connection while the connection is open.

    A request's scope refers to this object instead of the connection. The connection refers to the
    scope, so a direct reference would form a cycle, which only the garbage collector frees.
    """

    __slots__ = ("_connection", "_until_gone", "forwarded", "peer", "requested")

    def __init__(self, connection: TakeoverTarget, peer: str = "") -> None:
        # whether a stream has requested the connection; it has the connection unless that is gone
        self.requested = False
        self.peer = peer  # the address at the other end of the connection, which may be a proxy's
        self.forwarded: str | None = None  # the address under which a proxy's request counts
        self._connection: TakeoverTarget | None = connection
        self._until_gone: asyncio.Future[None] | None = None

    @property
    def gone(self) -> bool:
        """Whether the connection is closed or closing."""
        return self._connection is None or self._connection.transport.is_closing()

    def until_gone(self) -> asyncio.Future[None]:
        """See ``floorcast.http.request_context.GONE``. Only one request at a time may use it."""
        self._until_gone = asyncio.get_running_loop().create_future()
        if self._connection is None:
            self._until_gone.set_result(None)
        return self._until_gone

    def mark_gone(self) -> None:
        """Rule out a takeover and end ``until_gone``, because the connection is gone."""
        self._connection = None
        if self._until_gone is not None and not self._until_gone.done():
            self._until_gone.set_result(None)

    def __call__(self, headers: list[tuple[bytes, bytes]], stream: asyncio.Protocol) -> bool:
        """See ``floorcast.http.handlers.streams.TakeOver``."""
        self.requested = True
        return self._connection is not None and self._connection.hand_over(headers, stream)


_NO_STREAM = asyncio.Protocol()


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
        """Stop counting the connection."""
        if self._address is not None:
            self._limits.leave(self._address)
        if self._forwarded is not None:
            self._limits.leave_request(self._forwarded)
        self._address = self._forwarded = None
        stream, self._stream = self._stream, _NO_STREAM  # which refers to this object's transport
        stream.connection_lost(exc)

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


def limit_by_address(api: ASGIApp, limits: ConnectionLimits) -> ASGIApp:
    """Limit requests in progress, including streams, for each address that a proxy names."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        takeover = scope.get("extensions", {}).get(TAKE_OVER)
        address = scope["client"][0] if scope.get("client") else ""
        if not isinstance(takeover, ConnectionTakeover) or address == takeover.peer:
            await api(scope, receive, send)
            return
        if not limits.enter_request(address):
            refusal = RateLimited("there are too many requests in progress from your address", 1)
            await error_response(refusal).send(send, gzip=False)
            return
        takeover.forwarded = address
        try:
            await api(scope, receive, send)
        finally:
            if takeover.forwarded is not None:  # no stream has taken it over
                takeover.forwarded = None
                limits.leave_request(address)

    return app


TURN_SECONDS = 0.002  # for serving and closing connections in one turn of the loop
SEND_BUFFER_BYTES = 256 * 1024  # a stream's buffer in the kernel; fixed, so that it does not grow
EVENTS_PER_POLL = 16  # connections served between two checks of the clock
DISCARD_BYTES = 65536  # bytes read from a reader at a time; they are ignored

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: discard unsent data


class StreamConnection(asyncio.Transport):
    """A stream's connection. It pauses its writer if it cannot send all bytes immediately."""

    __slots__ = ("_closing", "_file", "_poller", "_protocol", "_unsent")

    def __init__(self, file: int, protocol: asyncio.Protocol, poller: StreamPoller) -> None:
        super().__init__()
        self._file = file
        self._protocol = protocol
        self._poller = poller
        self._unsent: memoryview | None = None
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send as many bytes as possible now, and the rest as the other side reads."""
        if self._file < 0:  # closed; its protocol is about to be notified
            return
        if self._unsent is not None:
            self._unsent = memoryview(bytes(self._unsent) + data)
            return
        sent = self._send_now(data)
        if sent < len(data):
            self._unsent = memoryview(data)[sent:]
            self._poller.watch(self._file, select.EPOLLIN | select.EPOLLOUT)
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that have not been sent yet."""
        return 0 if self._unsent is None else len(self._unsent)

    def is_closing(self) -> bool:
        """Return whether the connection is closed or closing."""
        return self._closing

    def close(self) -> None:
        """Close once everything has been sent."""
        self._closing = True
        if self._unsent is None:
            self.abort()

    def abort(self) -> None:
        """Close immediately. Unsent data is lost."""
        if self._file < 0:
            return
        self._closing = True
        self._poller.unwatch(self._file)
        if self._unsent is None:
            os.close(self._file)
        else:  # otherwise, the kernel would keep the data and retry for minutes
            with socket.socket(fileno=self._file) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._file = -1
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def ready(self, event: int) -> None:
        """Handle an event: the connection is writable, has data, or is closed."""
        if event & ~select.EPOLLOUT and self._is_disconnected():
            self.abort()
        elif event & select.EPOLLOUT and self._unsent is not None:
            self._resume_sending(self._unsent)

    def _send_now(self, data: bytes | bytearray | memoryview) -> int:
        """Send now, and return the number of bytes sent. The epoll reports a reset later."""
        try:
            return os.write(self._file, data)
        except OSError:
            return 0

    def _is_disconnected(self) -> bool:
        try:
            return not os.read(self._file, DISCARD_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _resume_sending(self, unsent: memoryview) -> None:
        sent = self._send_now(unsent)
        if sent < len(unsent):
            self._unsent = unsent[sent:]
            return
        self._unsent = None
        if self._closing:
            self.abort()
            return
        self._poller.watch(self._file, select.EPOLLIN)
        self._protocol.resume_writing()


class StreamPoller:
    """Serves the connections of all streams. An instance belongs to the running event loop."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._connections: dict[int, StreamConnection] = {}
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._poll)

    def close(self) -> None:
        """Stop serving the connections."""
        asyncio.get_running_loop().remove_reader(self._epoll.fileno())
        self._epoll.close()

    def take_over(
        self, transport: asyncio.Transport, protocol: asyncio.Protocol
    ) -> asyncio.Transport:
        """Take over a connection for a new protocol, and return its transport.

        The transport stays the same if it encrypts, if it has unsent data, or if no descriptor is
        left.
        """
        stays = transport.get_extra_info("sslcontext") or transport.get_write_buffer_size()
        file = None if stays else _duplicate_descriptor(transport)
        if file is None:
            transport.set_protocol(protocol)
            return transport
        transport.abort()
        connection = self._connections[file] = StreamConnection(file, protocol, self)
        self._epoll.register(file, select.EPOLLIN)
        return connection

    def watch(self, file: int, events: int) -> None:
        """Wait for these events on a connection."""
        self._epoll.modify(file, events)

    def unwatch(self, file: int) -> None:
        """Stop waiting for events: the connection is about to be closed."""
        self._epoll.unregister(file)
        del self._connections[file]

    def _poll(self) -> None:
        until = time.perf_counter() + TURN_SECONDS
        while events := self._epoll.poll(0, EVENTS_PER_POLL):
            for file, event in events:
                connection = self._connections.get(file)
                if connection is not None:
                    connection.ready(event)
            if time.perf_counter() >= until:
                break


def _duplicate_descriptor(transport: asyncio.Transport) -> int | None:
    """Duplicate the connection's descriptor. Returns None if no descriptor is left."""
    try:
        return os.dup(transport.get_extra_info("socket").fileno())
    except OSError:
        return None


def begin_stream(
    transport: asyncio.Transport,
    head: bytes,
    stream: asyncio.Protocol,
    streams: StreamPoller | None,
) -> None:
    """Write the response's head and pass the connection to ``stream``.

    ``streams`` then serves the connection. If it is None, uvloop does.
    """
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if streams is not None:
        transport = streams.take_over(transport, stream)
    else:
        transport.set_protocol(stream)
    transport.write(head)
    try:
        stream.connection_made(transport)
    except BaseException:
        transport.abort()
        raise
