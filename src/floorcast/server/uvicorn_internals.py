"""All code that uses uvicorn's internals: its connection, request cycle and main loop.

uvicorn does not document these internals. pyproject.toml limits its version, and this module's
tests show what a newer version has changed.

This module sets limits on uvicorn's connections. A head is parsed in slices, and refused early if
it is too large. Pipelined requests wait unparsed. Everything that a connection can wait for has a
deadline.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, cast

import httptools
import structlog
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from floorcast.http.handlers.streams import TAKE_OVER
from floorcast.http.request_context import GONE
from floorcast.server.connection_admission import ConnectionAdmission
from floorcast.server.connection_limits import (
    BODY_PROGRESS_BYTES,
    BODY_SLICE_BYTES,
    HEAD_SLICE_BYTES,
    MAX_DISCARDED_BYTES,
    ConnectionLimits,
    DeadlineQueue,
    Deadlines,
    RequestLimits,
    RequestPart,
    head_refusal,
    head_without_upgrade,
)
from floorcast.server.connection_takeover import (
    ConnectionTakeover,
    CountedStream,
    StreamPoller,
    begin_stream,
)
from floorcast.server.listener import Listener
from floorcast.server.protocol_refusals import (
    BODY_TOO_SLOW,
    FULL,
    HEAD_TOO_SLOW,
    NO_MEMORY,
    NOT_HTTP,
    SERVER_ERROR,
    TOO_MANY_CONNECTIONS,
    ProtocolRefusal,
)

__all__ = ["ServerConnection", "SharedServerState", "UvicornServer", "tolerate_disconnects"]

MAX_UNREAD_BYTES = 1 << 20  # bytes received after requests that still wait for their responses

_log = structlog.stdlib.get_logger(__name__)


class _ConnectionState(RequestLimits):
    """The state that ``ServerConnection`` adds to uvicorn's."""

    __slots__ = (
        "address",
        "ignores_input",
        "is_admitted",
        "parts",
        "pending_refusal",
        "takeover",
        "unread",
        "unsent",
    )

    def __init__(self, takeover: ConnectionTakeover, address: str | None) -> None:
        super().__init__()
        self.takeover = takeover
        self.address = address  # the address that the connection counts for, or None
        self.is_admitted = False  # whether the connection has been admitted
        self.parts: list[bytes] = []  # of the body, from the current slice
        self.unsent = 0  # bytes of responses in the transport at the last check
        self.unread: memoryview | None = None  # received but not parsed yet
        self.pending_refusal = b""  # a refusal that is sent after the responses before it
        self.ignores_input = False  # whether received data is ignored


class SharedServerState(ConnectionAdmission["ServerConnection"], ServerState):
    """State that all connections share.

    ``streams`` serves the connections that streams took over. If it is None (epoll exists only on
    Linux), uvloop does. With ``tls``, connections begin with a handshake.
    """

    def __init__(
        self,
        streams: StreamPoller | None,
        limits: ConnectionLimits,
        deadlines: Deadlines[ServerConnection],
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        ConnectionAdmission.__init__(self, limits, deadlines, tls)
        ServerState.__init__(self)
        self.streams = streams
        self.on_memory_shortage: Callable[[], None] = lambda: None  # called if memory runs out


class ServerConnection(HttpToolsProtocol):
    """uvicorn's connection with limits, which can be handed over to a stream.

    It adds one attribute, ``state``, to uvicorn's 28. A second attribute would take 1.3 KB more per
    connection, because Python shares attribute names among a class's objects only up to 29 names.

    A request to switch the protocol is ignored. Java's client asks every server for HTTP/2
    (``Upgrade: h2c``) and sends the body immediately. After such a head, the parser treats all
    bytes as the other protocol, so the head is parsed again without the headers that ask for it.
    """

    server_state: SharedServerState

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Begin the connection if there is room; see ``asyncio.Protocol``."""
        shared = self.server_state
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        self.state = _ConnectionState(ConnectionTakeover(self, address), None)
        # an encrypted connection was admitted before its handshake
        verdict = shared.admit(address) if shared.tls is None else "admitted"
        if verdict != "admitted":
            self.transport = transport
            self._refuse(FULL if verdict == "full" else TOO_MANY_CONNECTIONS)
            return
        self.state.address = address
        super().connection_made(transport)
        self.state.is_admitted = True
        shared.deadlines.head.begin(self, shared.deadlines.clock())

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self.state.ignores_input = True
        self.state.unread = None
        self.state.takeover.mark_gone()
        self.server_state.deadlines.forget(self)
        self._uncount()
        super().connection_lost(exc)

    def _uncount(self) -> None:
        address, self.state.address = self.state.address, None
        if address is not None:
            self.server_state.limits.leave(address)

    @property
    def peer(self) -> str:
        """The address at the other end."""
        return self.state.takeover.peer

    # --- reading ----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse received data in slices, unless earlier requests are still waiting."""
        state = self.state
        if state.ignores_input:
            state.body += len(data)
            if state.body > MAX_DISCARDED_BYTES:
                self.transport.abort()
            return
        if state.unread is not None:
            self._keep_unread(memoryview(bytes(state.unread or b"") + data))
            return
        self._read(memoryview(data))

    def _read(self, data: memoryview) -> None:
        state = self.state
        while data and not state.ignores_input:
            if self.pipeline and state.reading is not RequestPart.BODY:
                self._keep_unread(data)
                break
            in_body = state.reading is RequestPart.BODY
            piece = data[: BODY_SLICE_BYTES if in_body else HEAD_SLICE_BYTES]
            data = data[self._parse(piece) :]
        if not state.ignores_input:
            self._update_read_deadline()

    def _keep_unread(self, data: memoryview) -> None:
        if len(data) > MAX_UNREAD_BYTES:
            self._refuse(NOT_HTTP)
            return
        self.state.unread = data
        self.flow.pause_reading()

    def _resume_parsing(self) -> None:
        """Parse data that waited for the responses to earlier requests."""
        unread, self.state.unread = self.state.unread, None
        if self.state.ignores_input:
            return
        self.flow.resume_reading()
        if unread is not None:
            self._read(unread)

    def _parse(self, piece: memoryview) -> int:
        """Parse a slice. Returns the number of bytes parsed."""
        state = self.state
        used, body = len(piece), state.body
        state.part_began = False
        try:
            self.parser.feed_data(piece)
            self._add_body()
        except httptools.HttpParserUpgrade as upgrade:
            used = upgrade.args[0]
            if state.refusal is None:
                self._parse_plain_head()
        except httptools.HttpParserCallbackError as error:
            state.refusal = state.refusal or _refusal_for(error.__context__)
        except httptools.HttpParserError:
            state.refusal = state.refusal or NOT_HTTP
        except MemoryError as error:
            state.refusal = state.refusal or _refusal_for(error)
        state.parts.clear()
        state.end_slice(used, body)
        if state.refusal is not None:
            self._refuse(state.refusal)
        return used

    def _parse_plain_head(self) -> None:
        version = self.parser.get_http_version().encode()
        head = head_without_upgrade(self.parser.get_method(), self.url, version, self.headers)
        self.parser = httptools.HttpRequestParser(self)  # the old parser stops at an upgrade
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as in uvicorn
        try:
            self.parser.feed_data(head)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.state.refusal = NOT_HTTP

    def on_message_begin(self) -> None:
        """Begin a request, and pass the takeover to its handler in the scope."""
        super().on_message_begin()
        state = self.state
        state.begin_head()
        extensions = cast("dict[str, Any]", self.scope)
        extensions["extensions"] = {TAKE_OVER: state.takeover, GONE: state.takeover.until_gone}

    def on_url(self, url: bytes) -> None:
        """Collect the URL up to the limit."""
        if self.state.add_url(len(url)):
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header. A trailer is only counted."""
        if self.state.add_header(len(name) + len(value) + 4):
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the request, unless it is refused or its head is about to be parsed again."""
        state = self.state
        if state.refusal is None:
            state.refusal = head_refusal(
                self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers
            )
        if state.refusal is None and not self.parser.should_upgrade():
            state.begin_body()
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Collect a part of the body. A slice can have thousands, because of tiny chunks."""
        if self.state.reading is RequestPart.BODY:  # otherwise the request is refused
            self.state.parts.append(body)

    def _add_body(self) -> None:
        """Add the parts that have been collected. After the response, they are only counted."""
        state = self.state
        if not state.parts:
            return
        body = state.parts[0] if len(state.parts) == 1 else b"".join(state.parts)
        state.parts.clear()
        state.add_body(len(body))
        if self.cycle.response_complete and state.body > MAX_DISCARDED_BYTES:
            self._close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request, unless it has not begun."""
        if self.state.reading is RequestPart.BODY:
            self._add_body()
            self.state.reading = RequestPart.NOTHING
            # after "Connection: close" in a trailer, the parser discards all further requests
            self.cycle.keep_alive &= self.parser.should_keep_alive()
            super().on_message_complete()
            if self.cycle.response_complete and not self.cycle.keep_alive:
                self._close()

    def _update_read_deadline(self) -> None:
        """Set the deadline for the part that is being read."""
        state, deadlines = self.state, self.server_state.deadlines
        if state.reading is RequestPart.BODY:
            restart = state.body >= BODY_PROGRESS_BYTES and not self.cycle.response_complete
            if restart:
                state.body = 0
            deadlines.start_body(self, restart=restart)
        elif state.reading is RequestPart.HEAD:
            deadlines.start_head(self)
        elif self.cycle is not None:
            deadlines.start_idle(self, answered=self.cycle.response_complete)

    # --- answering --------------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        """Continue with the next request, or wait for one."""
        state, deadlines = self.state, self.server_state.deadlines
        self.server_state.total_requests += 1
        state.unsent = self.transport.get_write_buffer_size()
        if state.unsent:
            deadlines.answer.begin(self, deadlines.clock())
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif state.pending_refusal:
            self.transport.write(state.pending_refusal)
            self._linger()
        elif state.reading is RequestPart.NOTHING and state.unread is None:
            deadlines.idle.begin(self, deadlines.clock())
        elif state.reading is RequestPart.BODY:
            state.body = 0  # counts discarded bytes from now on
        if state.unread is None:
            self.flow.resume_reading()
        elif not self.pipeline:
            self.loop.call_soon(self._resume_parsing)

    def on_deadline(self, queue: DeadlineQueue[ServerConnection]) -> None:
        """Handle a missed deadline."""
        state, deadlines = self.state, self.server_state.deadlines
        now = deadlines.clock()
        if queue is deadlines.answer:
            unsent = self.transport.get_write_buffer_size()
            if unsent and unsent < state.unsent:
                queue.begin(self, now)
            elif unsent:
                self._note(queue.kind)
                self.transport.abort()
            state.unsent = unsent
        elif queue is deadlines.idle or queue is deadlines.linger:
            self._close()
        elif self.flow.read_paused or state.unread is not None:  # the server is not reading
            queue.begin(self, now)
        elif queue is deadlines.head:
            self._refuse(HEAD_TOO_SLOW)
        else:
            self._refuse(BODY_TOO_SLOW)

    def evict(self) -> None:
        """Close the connection, to make room for another."""
        self._note("evicted")
        self.transport.abort()
        self.server_state.deadlines.forget(self)
        self._uncount()

    def _refuse(self, refusal: ProtocolRefusal) -> None:
        """Send a refusal after the responses that are still due, and close the connection."""
        state = self.state
        if state.ignores_input:
            return
        state.ignores_input = True
        state.unread = None
        self._note(refusal.kind)
        if refusal is NO_MEMORY:
            self.server_state.on_memory_shortage()
        self.server_state.deadlines.forget(self)
        response = refusal.encode(self.server_state.default_headers)
        newest = cast("RequestResponseCycle | None", self.cycle)
        if state.reading is not RequestPart.BODY and newest and not newest.response_complete:
            state.pending_refusal = response
            return
        if state.reading is RequestPart.BODY:
            if self.cycle.response_started or self.pipeline:
                response = b""
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if response:
            self.transport.write(response)
        if response and state.is_admitted:
            self._linger()
        else:
            self._close()

    def _linger(self) -> None:
        """Let the caller close the connection.

        If the server closed it with unread data, a reset would discard the response.
        """
        deadlines = self.server_state.deadlines
        self.state.body = 0
        deadlines.linger.begin(self, deadlines.clock())
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _close(self) -> None:
        """Close once everything has been sent, or at the deadline for responses."""
        state, deadlines = self.state, self.server_state.deadlines
        state.ignores_input = True
        deadlines.forget(self)
        state.unsent = self.transport.get_write_buffer_size()
        if state.unsent:
            deadlines.answer.begin(self, deadlines.clock())
        self.transport.close()

    def _note(self, kind: str) -> None:
        self.server_state.notices.note(kind, self.peer)

    # --- streams ----------------------------------------------------------------------------------

    def hand_over(self, headers: list[tuple[bytes, bytes]], stream: asyncio.Protocol) -> bool:
        """Write the response's head and pass the connection to ``stream``."""
        transport, state = self.transport, self.state
        if transport.is_closing():
            return False
        state.takeover.mark_gone()
        state.ignores_input = True
        self.server_state.deadlines.forget(self)
        self.connections.discard(self)
        self.flow.resume_reading()
        self.parser = None  # type: ignore[assignment]  # as uvicorn does, to break a reference cycle
        lines = [b"%b: %b\r\n" % header for header in self.server_state.default_headers + headers]
        head = b"".join((b"HTTP/1.1 200 OK\r\n", *lines, b"\r\n"))
        counted = CountedStream(
            stream, self.server_state.limits, state.address, state.takeover.forwarded
        )
        state.address = state.takeover.forwarded = None
        begin_stream(transport, head, counted, self.server_state.streams)
        return True


def _refusal_for(cause: BaseException | None) -> ProtocolRefusal:
    """Return the refusal for an exception in a parser callback."""
    if isinstance(cause, MemoryError):
        return NO_MEMORY
    if isinstance(cause, httptools.HttpParserError | UnicodeDecodeError):
        return NOT_HTTP
    _log.error("fault", exc_info=cause)
    return SERVER_ERROR


class UvicornServer(uvicorn.Server):
    """A server without uvicorn's signal handling and polling.

    uvicorn lets the signal end the process instead of exiting with 0. It also checks ten times a
    second whether to stop, which is most of an idle server's load.
    """

    def __init__(
        self, config: uvicorn.Config, shared: SharedServerState, sweep_seconds: float
    ) -> None:
        super().__init__(config)
        self.server_state: SharedServerState = shared
        self._sweep_seconds = sweep_seconds
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Stop serving."""
        self.should_exit = True
        self._stopping.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup([])
        make = partial(ServerConnection, self.config, self.server_state, self.lifespan.state)
        listeners = [Listener(one, self.server_state, make) for one in sockets or ()]
        self.servers = cast("list[asyncio.Server]", listeners)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signals."""
        yield

    async def main_loop(self) -> None:
        """Keep the date current and enforce deadlines until the server stops."""
        while not await self.on_tick(0):  # 0 makes it set the date in responses
            self.server_state.sweep()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._sweep_seconds)


def tolerate_disconnects(api: ASGIApp) -> ASGIApp:
    """Keep uvicorn from expecting the end of a response that has no receiver.

    Either a stream has taken over the connection, or the caller has just disconnected. If a
    connection was reset, uvloop rejects writes before it reports the reset, and uvicorn would log
    this as an application error.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        takeover = scope.get("extensions", {}).get(TAKE_OVER)
        try:
            await api(scope, receive, send)
        except RuntimeError:
            if not isinstance(takeover, ConnectionTakeover) or not takeover.gone:
                raise
        else:
            if not isinstance(takeover, ConnectionTakeover) or not takeover.requested:
                return
        # not the connection's newest request, because others may have followed in the same packet
        cycle = getattr(send, "__self__", None)
        if isinstance(cycle, RequestResponseCycle):
            cycle.disconnected = True

    return app
