"""Everything that reaches into uvicorn: its connection, its request cycle and its main loop.

uvicorn promises none of this. pyproject.toml bounds its version, and the test of this module
names what a newer one has changed.

Here uvicorn's connection gets bounds: a head is refused before it is large, is parsed in slices,
pipelined requests wait unparsed, and each thing that a connection may wait for has its deadline.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
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
from floorcast.server.connection_limits import ConnectionLimits, Deadlines, Verdict, Waits
from floorcast.server.connection_takeover import ConnectionTakeover, CountedStream, EpollTransport
from floorcast.server.notices import Notices
from floorcast.server.protocol_refusals import (
    BODY_TOO_SLOW,
    CONNECT_REFUSED,
    FULL,
    HEAD_TOO_LARGE,
    HEAD_TOO_SLOW,
    MOST_HEAD_BYTES,
    MOST_HEADERS,
    NO_MEMORY,
    NOT_HTTP,
    OUR_FAULT,
    TOO_MANY_CONNECTIONS,
    URL_TOO_LONG,
    ProtocolRefusal,
)

__all__ = ["Connection", "Shared", "UvicornServer", "to_who_is_there"]

SEND_BUFFER_BYTES = 256 * 1024  # of a stream in the kernel: a reader's own, so it does not grow
HEAD_SLICE_BYTES = 8 * 1024  # parsed at once between and in heads: some hundred requests at most
BODY_SLICE_BYTES = 32 * 1024  # parsed at once in a body, behind which other requests may follow
PROGRESS_BYTES = 16 * 1024  # of a body within its deadline
MOST_WITHOUT_BODY = 64 * 1024  # bytes of a chunked body that are not body: trailers, extensions
MOST_UNREAD = 1 << 20  # bytes behind requests that wait for their turn
MOST_DISCARDED = 64 << 20  # bytes that go on coming after an answer or a refusal
ACCEPTED_IN_A_TURN = 16  # connections with TLS accepted in one turn of the loop
CLOSED_IN_A_TURN = 64  # overdue connections closed in one turn of the loop

_ASKS = {b"upgrade", b"http2-settings", b"connection"}
_log = structlog.stdlib.get_logger(__name__)


class Reading(Enum):
    """What of a request a connection reads."""

    NOTHING = 0
    HEAD = 1
    BODY = 2


class _State:
    """What a connection has beside what is uvicorn's; see ``Connection``."""

    __slots__ = (
        "address",
        "begun",
        "body",
        "deaf",
        "fed",
        "fresh",
        "head",
        "headers",
        "last_words",
        "reading",
        "refusal",
        "takeover",
        "unread",
        "unsent",
    )

    def __init__(self, takeover: ConnectionTakeover, address: str | None) -> None:
        self.takeover = takeover
        self.address = address  # under which it counts; None: it does not count any more
        self.begun = False  # whether there is room for the connection
        self.reading = Reading.NOTHING
        self.fresh = False  # whether a head began in the slice that is parsed
        self.head = 0  # bytes of the head's URL and of its whole headers
        self.fed = 0  # bytes parsed since the slice in which the head, or the last body, came
        self.headers = 0  # in the head, or of the trailers
        self.body = 0  # bytes of the body since its deadline began anew, or after its answer
        self.unsent = 0  # bytes of answers that the transport had when it was last looked at
        self.unread: memoryview | None = None  # what came and is not parsed yet
        self.refusal: ProtocolRefusal | None = None  # what the parser's callbacks have found
        self.last_words = b""  # a refusal that waits for the answers before it
        self.deaf = False  # whether what comes is not listened to any more


class Shared(ServerState):
    """What connections share.

    ``streams`` has those that were handed over; where it is None (epoll is Linux's), uvloop keeps
    them. With ``tls``, a connection begins with its handshake.
    """

    def __init__(
        self,
        streams: EpollTransport | None,
        limits: ConnectionLimits,
        deadlines: Deadlines[Connection],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__()
        self.streams = streams
        self.limits = limits
        self.deadlines = deadlines
        self.notices = Notices(deadlines.clock)
        self.tls = tls
        self.short_of_memory: Callable[[], None] = lambda: None  # told when memory cannot be had

    def sweep(self) -> None:
        """Close what is overdue, some in each turn of the loop; tell of what was closed."""
        if self.deadlines.overdue(CLOSED_IN_A_TURN, Connection.overdue):
            asyncio.get_running_loop().call_soon(self.sweep)
        self.notices.tell()

    def admit(self, address: str) -> Verdict:
        """Count a connection from there; where that takes another's place, that one is closed."""
        verdict = self.limits.enter(address)
        if verdict != "admitted" and self.make_room(address if verdict == "address" else None):
            verdict = self.limits.enter(address)
        return verdict

    def make_room(self, address: str | None) -> bool:
        """Close the connection that has waited the longest for a request; False if none does.

        With ``address`` it is one from there.
        """

        def may(connection: Connection) -> bool:
            return address is None or connection.state.takeover.peer == address

        waits = self.deadlines
        for one in (waits.linger, waits.head, waits.idle):
            longest = one.pop_longest(may)
            if longest is not None:
                longest.evict()
                return True
        return False


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with bounds, and which can be handed over to a stream.

    It has one attribute of its own. With a second one all of them (uvicorn's are 28) would take
    1.3 KB more: Python shares the names of up to 29 among all objects of a class.

    A request that asks for another protocol is read as if it had not: Java's own client asks
    every server for HTTP/2 (``Upgrade: h2c``), with the events already behind it. The parser
    takes what follows such a head for the other protocol, so the head is parsed again without.
    """

    server_state: Shared

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Begin, unless there is no room; see ``asyncio.Protocol``."""
        shared = self.server_state
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        self.state = _State(ConnectionTakeover(self, address), None)
        # what is encrypted was admitted before its handshake
        verdict = shared.admit(address) if shared.tls is None else "admitted"
        if verdict != "admitted":
            self.transport = transport
            self._refuse(FULL if verdict == "full" else TOO_MANY_CONNECTIONS)
            return
        self.state.address = address
        super().connection_made(transport)
        self.state.begun = True
        shared.deadlines.head.begin(self, shared.deadlines.clock())

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self.state.deaf = True
        self.state.unread = None
        self.state.takeover.shut()
        self.server_state.deadlines.forget(self)
        self._uncount()
        super().connection_lost(exc)

    def _uncount(self) -> None:
        address, self.state.address = self.state.address, None
        if address is not None:
            self.server_state.limits.leave(address)

    # --- reading ----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse what came, a slice at a time, as far as the requests before allow."""
        state = self.state
        if state.deaf:
            state.body += len(data)
            if state.body > MOST_DISCARDED:
                self.transport.abort()
            return
        if state.unread is not None:
            self._keep_unread(memoryview(bytes(state.unread or b"") + data))
            return
        self._read(memoryview(data))

    def _read(self, data: memoryview) -> None:
        state = self.state
        while data and not state.deaf:
            if self.pipeline and state.reading is not Reading.BODY:
                self._keep_unread(data)
                break
            in_body = state.reading is Reading.BODY
            piece = data[: BODY_SLICE_BYTES if in_body else HEAD_SLICE_BYTES]
            data = data[self._parse(piece) :]
        if not state.deaf:
            self._watch_reading()

    def _keep_unread(self, data: memoryview) -> None:
        if len(data) > MOST_UNREAD:
            self._refuse(NOT_HTTP)
            return
        self.state.unread = data
        self.flow.pause_reading()

    def _read_on(self) -> None:
        """Parse what waited behind requests that are answered by now."""
        unread, self.state.unread = self.state.unread, None
        if self.state.deaf:
            return
        self.flow.resume_reading()
        if unread is not None:
            self._read(unread)

    def _parse(self, piece: memoryview) -> int:
        """Parse a slice; how much of it was parsed."""
        state = self.state
        used, body = len(piece), state.body
        state.fresh = False
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            used = upgrade.args[0]
            if state.refusal is None:
                self._parse_plain_head()
        except httptools.HttpParserCallbackError as error:
            state.refusal = state.refusal or _refusal_for(error.__context__)
        except httptools.HttpParserError:
            state.refusal = state.refusal or NOT_HTTP
        if not state.fresh and (state.reading is Reading.HEAD or state.body == body):
            state.fed += used
        self._bound_head()
        if state.refusal is not None:
            self._refuse(state.refusal)
        return used

    def _parse_plain_head(self) -> None:
        head = self._plain_head()
        self.parser = httptools.HttpRequestParser(self)  # the old one would stay at the upgrade
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        try:
            self.parser.feed_data(head)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.state.refusal = NOT_HTTP

    def _plain_head(self) -> bytes:
        closes = any(n == b"connection" and b"close" in v.lower() for n, v in self.headers)
        lines = [b"%b: %b" % header for header in self.headers if header[0] not in _ASKS]
        lines += [b"connection: close"] if closes else []
        first = b"%b %b HTTP/%b" % (
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version().encode(),
        )
        return b"\r\n".join((first, *lines, b"", b""))

    def _bound_head(self) -> None:
        """Refuse a head that is too large, and what comes in place of a body."""
        state = self.state
        if state.refusal is not None or state.reading is Reading.NOTHING:
            return
        if state.reading is Reading.BODY:
            if state.fed > MOST_WITHOUT_BODY:
                state.refusal = HEAD_TOO_LARGE
        elif max(state.head, state.fed) > MOST_HEAD_BYTES:
            url = not state.headers and len(self.url) > MOST_HEAD_BYTES // 2
            state.refusal = URL_TOO_LONG if url else HEAD_TOO_LARGE

    def on_message_begin(self) -> None:
        """A request begins: let its handler find the takeover."""
        super().on_message_begin()
        state = self.state
        state.reading, state.fresh = Reading.HEAD, True
        state.head = state.fed = state.headers = 0
        extensions = cast("dict[str, Any]", self.scope)
        extensions["extensions"] = {TAKE_OVER: state.takeover, GONE: state.takeover.until_gone}

    def on_url(self, url: bytes) -> None:
        """Gather the URL, up to the bound."""
        self.state.head += len(url)
        if self.state.head <= MOST_HEAD_BYTES:
            super().on_url(url)
        else:
            self._bound_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer counts, and is left out."""
        state = self.state
        state.headers += 1
        if state.reading is Reading.BODY:
            if state.headers > MOST_HEADERS:
                state.refusal = HEAD_TOO_LARGE
            return
        state.head += len(name) + len(value) + 4
        if state.headers > MOST_HEADERS:
            state.refusal = state.refusal or HEAD_TOO_LARGE
        else:
            self._bound_head()
        if state.refusal is None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the request, unless it is refused, or its head is about to be parsed again."""
        state = self.state
        if self.parser.get_method() == b"CONNECT":
            state.refusal = state.refusal or CONNECT_REFUSED
        if not self.url.startswith(b"/") and httptools.parse_url(self.url).path is None:
            state.refusal = state.refusal or NOT_HTTP
        if state.refusal is None and not self.parser.should_upgrade():
            state.reading, state.fresh = Reading.BODY, True
            state.fed = state.headers = state.body = 0
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take some of the body; what comes after the answer is only counted."""
        state = self.state
        if state.reading is not Reading.BODY:  # it is refused
            return
        state.body += len(body)
        state.fed = 0
        if self.cycle.response_complete and state.body > MOST_DISCARDED:
            self._close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request, unless it has not begun."""
        if self.state.reading is Reading.BODY:
            self.state.reading = Reading.NOTHING
            super().on_message_complete()

    def _watch_reading(self) -> None:
        """Set the deadline of what is read now."""
        state, deadlines = self.state, self.server_state.deadlines
        if state.reading is Reading.BODY:
            deadlines.head.end(self)
            if state.body >= PROGRESS_BYTES and not self.cycle.response_complete:
                state.body = 0
                deadlines.body.end(self)
            if self not in deadlines.body:
                deadlines.body.begin(self, deadlines.clock())
        elif state.reading is Reading.HEAD:
            deadlines.body.end(self)
            deadlines.idle.end(self)
            if self not in deadlines.head:
                deadlines.head.begin(self, deadlines.clock())
        elif self.cycle is not None:
            deadlines.head.end(self)
            deadlines.body.end(self)
            if not self.cycle.response_complete:
                deadlines.idle.end(self)
            elif self not in deadlines.idle:
                deadlines.idle.begin(self, deadlines.clock())

    # --- answering --------------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for one."""
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
        elif state.last_words:
            self.transport.write(state.last_words)
            self._linger()
        elif state.reading is Reading.NOTHING and state.unread is None:
            deadlines.idle.begin(self, deadlines.clock())
        elif state.reading is Reading.BODY:
            state.body = 0  # from now on, of what is discarded
        if state.unread is None:
            self.flow.resume_reading()
        elif not self.pipeline:
            self.loop.call_soon(self._read_on)

    def overdue(self, waits: Waits[Connection]) -> None:
        """A deadline has passed."""
        state, deadlines = self.state, self.server_state.deadlines
        now = deadlines.clock()
        if waits is deadlines.answer:
            unsent = self.transport.get_write_buffer_size()
            if unsent and unsent < state.unsent:
                waits.begin(self, now)
            elif unsent:
                self._note(waits.kind)
                self.transport.abort()
            state.unsent = unsent
        elif waits is deadlines.idle or waits is deadlines.linger:
            self._close()
        elif self.flow.read_paused or state.unread is not None:  # it is we who do not read
            waits.begin(self, now)
        elif waits is deadlines.head:
            self._refuse(HEAD_TOO_SLOW)
        else:
            self._refuse(BODY_TOO_SLOW)

    def evict(self) -> None:
        """Make room for another connection."""
        self._note("evicted")
        self.transport.abort()
        self.server_state.deadlines.forget(self)
        self._uncount()

    def _refuse(self, refusal: ProtocolRefusal) -> None:
        """Answer what cannot be read, after the answers that are due before; then close."""
        state = self.state
        if state.deaf:
            return
        state.deaf = True
        state.unread = None
        self._note(refusal.kind)
        if refusal is NO_MEMORY:
            self.server_state.short_of_memory()
        self.server_state.deadlines.forget(self)
        words = refusal.encode(self.server_state.default_headers)
        newest = cast("RequestResponseCycle | None", self.cycle)
        if state.reading is not Reading.BODY and newest and not newest.response_complete:
            state.last_words = words
            return
        if state.reading is Reading.BODY:
            if self.cycle.response_started or self.pipeline:
                words = b""
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if words:
            self.transport.write(words)
        if words and state.begun:
            self._linger()
        else:
            self._close()

    def _linger(self) -> None:
        """Leave it to the caller to close: what we close unread would be reset, answer and all."""
        deadlines = self.server_state.deadlines
        self.state.body = 0
        deadlines.linger.begin(self, deadlines.clock())
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _close(self) -> None:
        """Close once everything is sent, within the deadline of an answer."""
        state, deadlines = self.state, self.server_state.deadlines
        state.deaf = True
        deadlines.forget(self)
        state.unsent = self.transport.get_write_buffer_size()
        if state.unsent:
            deadlines.answer.begin(self, deadlines.clock())
        self.transport.close()

    def _note(self, kind: str) -> None:
        self.server_state.notices.note(kind, self.state.takeover.peer)

    # --- streams ----------------------------------------------------------------------------------

    def hand_over(self, headers: list[tuple[bytes, bytes]], stream: asyncio.Protocol) -> bool:
        """Write the head of the answer, and let ``stream`` have the connection."""
        transport, state = self.transport, self.state
        if transport.is_closing():
            return False
        state.takeover.shut()
        state.deaf = True
        self.server_state.deadlines.forget(self)
        self.connections.discard(self)
        self.flow.resume_reading()
        self.parser = None  # type: ignore[assignment]  # as uvicorn does: it is held by what it holds
        lines = [b"%b: %b\r\n" % header for header in self.server_state.default_headers + headers]
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        counted = CountedStream(
            stream, self.server_state.limits, state.address, state.takeover.forwarded
        )
        state.address = state.takeover.forwarded = None
        if self.server_state.streams is not None:
            transport = self.server_state.streams.take(transport, counted)
        else:
            transport.set_protocol(counted)
        transport.write(b"".join((b"HTTP/1.1 200 OK\r\n", *lines, b"\r\n")))
        try:
            stream.connection_made(transport)
        except BaseException:
            transport.abort()
            raise
        return True


def _refusal_for(cause: BaseException | None) -> ProtocolRefusal:
    """The refusal for what a callback of the parser raised."""
    if isinstance(cause, MemoryError):
        return NO_MEMORY
    if isinstance(cause, httptools.HttpParserError | UnicodeDecodeError):
        return NOT_HTTP
    _log.error("fault", exc_info=cause)
    return OUR_FAULT


class TlsListener:
    """Accepts connections that begin with a handshake, which they are admitted before.

    uvloop's own way tells of a connection once its handshake is done: those that send nothing
    would count nowhere.
    """

    def __init__(self, sock: socket.socket, shared: Shared, make: Callable[[], Connection]) -> None:
        self.sockets = (sock,)
        self._shared = shared
        self._make = make
        self._handshakes: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        sock.setblocking(False)
        self._listen()

    def close(self) -> None:
        """Accept no more, and give up what is in its handshake."""
        self._loop.remove_reader(self.sockets[0])
        for handshake in self._handshakes:
            handshake.cancel()

    async def wait_closed(self) -> None:
        """Wait until no handshake is under way."""
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _listen(self) -> None:
        if self.sockets[0].fileno() >= 0:
            self._loop.add_reader(self.sockets[0], self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_IN_A_TURN):
            try:
                sock, peer = self.sockets[0].accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # out of descriptors: it would be told of again and again
                self._shared.notices.note("full", "")
                self._loop.remove_reader(self.sockets[0])
                self._loop.call_later(1, self._listen)
                return
            handshake = self._loop.create_task(self._shake_hands(sock, str(peer[0])))
            self._handshakes.add(handshake)
            handshake.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, sock: socket.socket, address: str) -> None:
        shared = self._shared
        verdict = shared.admit(address)
        if verdict != "admitted":
            sock.close()
            shared.notices.note("full" if verdict == "full" else "address_full", address)
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await self._loop.connect_accepted_socket(
                self._make,
                sock,
                ssl=shared.tls,
                ssl_handshake_timeout=shared.deadlines.head.seconds,
                ssl_shutdown_timeout=shared.deadlines.linger.seconds,
            )
        except OSError:  # ssl's errors, resets and the timeout are all of this kind
            shared.notices.note("tls_failed", address)
            shared.limits.leave(address)
        except asyncio.CancelledError:
            sock.close()
            shared.limits.leave(address)
            raise


class UvicornServer(uvicorn.Server):
    """Leaves signals and the time to us.

    uvicorn's own way ends the process by the signal, not with 0; and it looks ten times a second
    whether to end, which is most of what a server costs that has nothing to do.
    """

    def __init__(self, config: uvicorn.Config, shared: Shared, sweep_seconds: float) -> None:
        super().__init__(config)
        self.server_state: Shared = shared
        self._sweep_seconds = sweep_seconds
        self._leave = asyncio.Event()

    def leave(self) -> None:
        """Stop serving."""
        self.should_exit = True
        self._leave.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; connections that will be encrypted are taken by a listener of our own."""
        if self.server_state.tls is None or sockets is None:
            await super().startup(sockets)
            return
        await super().startup([])
        make = partial(Connection, self.config, self.server_state, self.lifespan.state)
        listeners = [TlsListener(one, self.server_state, make) for one in sockets]
        self.servers = cast("list[asyncio.Server]", listeners)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def main_loop(self) -> None:
        """Keep the date and the deadlines until the server leaves."""
        while not await self.on_tick(0):  # 0: set the date of the answers
            self.server_state.sweep()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leave.wait(), self._sweep_seconds)


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
