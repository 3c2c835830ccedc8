"""Tests of uvicorn's internals, and of its connections with floorcast's limits."""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, suppress

import httptools
import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from floorcast.server.connection_limits import (
    ConnectionLimits,
    ConnectionTuning,
    Deadlines,
    RequestPart,
)
from floorcast.server.protocol_refusals import MAX_HEAD_BYTES, MAX_HEADERS
from floorcast.server.uvicorn_internals import ServerConnection, SharedServerState, UvicornServer
from tests.real.nodes import until
from tests.real.server import Server, running
from tests.real.sites import KEYS, event, ndjson
from tests.server.serving import RunningServer, body_length_app, on_uvloop, read_response, serving

UPGRADE = (
    "Connection: Upgrade, HTTP2-Settings\r\n"
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    "Upgrade: h2c\r\n"
)
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("upgrades")) as server:
        yield server


def request(number: str, asking: str = UPGRADE, *, chunked: bool = False) -> bytes:
    """Return a request with one event and an upgrade header."""
    data = {"agent": "SEBY", "eventType": "LOGON", "service": 38049}
    body = ndjson([event("agent.state", number, **data)])
    how = CHUNKED if chunked else f"Content-Length: {len(body)}\r\n"
    head = (
        f"POST /ingest/v1/events HTTP/1.1\r\nHost: localhost\r\n{asking}{how}"
        f"Authorization: Bearer {KEYS['ACME']}\r\nContent-Type: application/x-ndjson\r\n\r\n"
    )
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    return head.encode() + sent


def responses(server: Server, pieces: list[bytes], count: int) -> list[dict[str, object]]:
    """Send parts over one connection. Returns the bodies of the responses."""
    size = 0
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        found: list[dict[str, object]] = []
        with connection.makefile("rb") as stream:
            while len(found) < count:
                line = stream.readline().lower()
                if line.startswith(b"content-length:"):
                    size = int(line.partition(b":")[2])
                if line == b"\r\n":
                    found.append(json.loads(stream.read(size)))
        return found


ACCEPTED = {"accepted": 1, "duplicates": 0, "rejected": []}


@pytest.mark.parametrize("chunked", [False, True])
def test_the_body_of_an_upgrade_request_is_read(server: Server, chunked: bool) -> None:
    """The network may split the request anywhere."""
    whole = request("x", chunked=chunked)
    for at in range(1, len(whole), 17):
        sent = request(f"{chunked}{at}", chunked=chunked)
        assert responses(server, [sent[:at], sent[at:]], 1) == [ACCEPTED]


def test_the_connection_continues_after_an_upgrade_request(server: Server) -> None:
    """The connection's next request is read, with or without an upgrade header."""
    sent = [request("a"), request("b"), request("c", "")]
    assert responses(server, sent, 3) == [ACCEPTED, ACCEPTED, ACCEPTED]


def test_an_upgrade_request_can_close_the_connection(server: Server) -> None:
    """If the request also has ``close``, the connection closes after the response."""
    asking = UPGRADE.replace("Upgrade, HTTP2-Settings", "close, Upgrade, HTTP2-Settings")
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as connection:
        connection.sendall(request("d", asking))
        with connection.makefile("rb") as stream:
            assert stream.read().endswith(json.dumps(ACCEPTED, separators=(",", ":")).encode())


# --- uvicorn's own parts ---------------------------------------------------------------------


def test_uvicorn_has_the_internals_in_use() -> None:
    """Every private name in use exists. If a newer version differs, the failure is clear."""
    config = uvicorn.Config(body_length_app, ws="none", log_config=None)
    config.load()
    shared = SharedServerState(
        None, ConnectionLimits(9, 9), Deadlines(ConnectionTuning(), lambda: 0.0)
    )
    loop = asyncio.new_event_loop()
    connection = HttpToolsProtocol(config, shared, {}, loop)
    loop.close()
    connection.on_message_begin()
    source = inspect.getsource(RequestResponseCycle.__init__)
    used: list[tuple[str, object, str]] = [
        (
            "HttpToolsProtocol",
            HttpToolsProtocol,
            (
                "connection_made connection_lost data_received on_message_begin on_url on_header"
                " on_headers_complete on_body on_message_complete on_response_complete"
                " _start_asgi_task shutdown"
            ),
        ),
        (
            "a connection",
            connection,
            (
                "parser transport flow cycle pipeline headers url scope loop connections tasks"
                " server_state"
            ),
        ),
        ("RequestResponseCycle", RequestResponseCycle, "run_asgi send receive"),
        ("Server", uvicorn.Server, "serve startup shutdown main_loop on_tick capture_signals"),
    ]
    missing = [
        f"{owner}.{name}"
        for owner, one, names in used
        for name in names.split()
        if not hasattr(one, name)
    ]
    needed = "disconnected message_event response_complete response_started keep_alive"
    missing += [f"a cycle.{name}" for name in needed.split() if f"self.{name}" not in source]
    parameters = list(inspect.signature(HttpToolsProtocol.__init__).parameters)
    assert parameters == ["self", "config", "server_state", "app_state", "_loop"]
    assert missing == []


def test_uvicorn_calls_the_overridden_methods() -> None:
    """The parser finds each callback by name, and uvicorn's loop calls the overridden methods."""
    assert issubclass(httptools.HttpParserCallbackError, httptools.HttpParserError)
    assert "self.main_loop()" in inspect.getsource(uvicorn.Server)
    assert "self.capture_signals()" in inspect.getsource(uvicorn.Server)
    assert UvicornServer.main_loop is not uvicorn.Server.main_loop
    assert "on_response=self.on_response_complete" in inspect.getsource(
        HttpToolsProtocol.on_headers_complete
    )


def test_connections_share_their_attribute_names() -> None:
    """One more attribute in uvicorn or floorcast would cost 1.3 KB per connection."""

    class Unconnected(asyncio.Transport):
        def get_extra_info(self, name: str, default: object = None) -> object:
            return default if name else None

    async def work() -> None:
        config = uvicorn.Config(body_length_app, ws="none", log_config=None)
        config.load()
        shared = SharedServerState(
            None, ConnectionLimits(9, 9), Deadlines(ConnectionTuning(), lambda: 0.0)
        )
        for _ in range(3):
            connection = ServerConnection(config, shared, {})
            connection.connection_made(Unconnected())
            connection.on_message_begin()
            connection.on_url(b"/")
            assert sys.getsizeof(vars(connection)) < 400

    asyncio.run(work())


# --- heads --------------------------------------------------------------------------------------

GET = b"GET / HTTP/1.1\r\nhost: x\r\n"


def with_headers(*headers: bytes) -> bytes:
    """Return a request with these headers."""
    return GET + b"".join(header + b"\r\n" for header in headers) + b"\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (with_headers(b"a: " + b"x" * 30_000), 200),
        (with_headers(*(b"a%d: x" % number for number in range(MAX_HEADERS - 1))), 200),
        (with_headers(*(b"a%d: x" % number for number in range(MAX_HEADERS))), 431),
        (with_headers(b"a: " + b"x" * MAX_HEAD_BYTES), 431),
        (with_headers(*[b"a: " + b"x" * 5_000] * 7), 431),
        (GET + b"a: " + b"x" * 64_000, 431),
        (GET + b"x" * 64_000, 431),
        (b"GET /" + b"x" * 30_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /" + b"x" * 64_000, 414),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", 405),
        (b"GET x HTTP/1.1\r\n\r\n", 400),
        (b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://x/y HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"\0\0\0\0", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nhost: x\r\n\r\n", 400),
        (b"GET / HTTP/0.9\r\nhost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (with_headers(b"Host: x"), 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_request_head_is_limited(sent: bytes, status: int) -> None:
    """The head's bytes, URL and number of headers are limited, however it is split."""

    async def work() -> None:
        async with serving() as served:
            assert (await served.ask(sent)).status == status
            reader, writer = await served.connect()
            with closing(writer):
                for at in range(0, len(sent), 3_001):
                    writer.write(sent[at : at + 3_001])
                    await asyncio.sleep(0)
                found = await read_response(reader)
            assert found.status == status
            if status != 200:
                assert json.loads(found.body)["code"] in {status, 202}
                assert found.headers["connection"] == "close"

    on_uvloop(work)


def test_a_huge_head_is_refused_at_the_limit() -> None:
    """A head of 64 MiB is refused after parsing 40 KiB."""

    async def work() -> None:
        async with serving() as served:
            reader, writer = await served.connect()
            with closing(writer):
                writer.write(GET + b"a: " + b"x" * (64 << 20))
                assert (await read_response(reader)).status == 431

    on_uvloop(work)


def test_trailers_are_limited_and_ignored() -> None:
    """Trailers follow the body, and are not used."""
    seen: list[list[tuple[bytes, bytes]]] = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        await body_length_app(scope, receive, send)
        seen.append(list(scope["headers"]))

    head = b"POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"

    async def work() -> None:
        async with serving(look) as served:
            assert (await served.ask(head + b"LV-Session: x\r\n\r\n")).body == b"1"
            assert [name for name, _ in seen[0]] == [b"host", b"transfer-encoding"]
            for trailers in (b"a: x\r\n" * 200, b"a: " + b"x" * (1 << 20)):
                assert (await served.ask(head + trailers)).status == 431

    on_uvloop(work)


POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
FRAMED = POST + b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        FRAMED + b"Content-Length: 1\r\n\r\n0\r\n\r\n",
        FRAMED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        FRAMED + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        POST + UPGRADE.encode() + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        POST + b"Content-Length: 1, 1\r\n\r\nx",
        POST + b"Content-Length: +1\r\n\r\nx",
        POST + b"Content-Length: 1 1\r\n\r\nx",
        POST + b"Content-Length: 0x1\r\n\r\nx",
        POST + b"Content-Length:\r\n\r\nx",
        POST + b"Content-Length : 1\r\n\r\nx",
        POST + b"A\t: x\r\n\r\n",
        POST + b"A: x\r\n y\r\n\r\n",
        POST + b"A: x\rB: y\r\n\r\n",
        POST + b"A: x\nB: y\r\n\r\n",
        POST + b"A: x\0\r\n\r\n",
        POST + b": x\r\n\r\n",
        POST + b"A\r\n\r\n",
        POST + b"\n",
        b"POST / HTTP/1.1\r\n Host: x\r\n\r\n",
        b"POST / HTTP/1.1\nHost: x\n\n",
        FRAMED + b"\r\n1\nx\r\n0\r\n\r\n",
        FRAMED + b"\r\n1;a\nb\r\nx\r\n0\r\n\r\n",
        FRAMED + b"\r\n1\r\nx\n0\r\n\r\n",
        FRAMED + b"\r\n1\r\nxx\r\n0\r\n\r\n",
        FRAMED + b"\r\n1 \r\nx\r\n0\r\n\r\n",
        FRAMED + b"\r\n0x1\r\nx\r\n0\r\n\r\n",
        FRAMED + b"\r\n%b\r\nx\r\n0\r\n\r\n" % (b"f" * 17),
        FRAMED + b"\r\n0\r\nContent-Length: 9\r\n\r\n",
        FRAMED + b"\r\n0\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
    ids=lambda sent: str(sent[15:])[:60],
)
def test_a_request_whose_end_is_ambiguous_gets_one_response(sent: bytes) -> None:
    """The connection closes, so bytes that a proxy took for a body are never another request."""

    async def work() -> None:
        async with serving() as served:
            reader, writer = await served.connect()
            with closing(writer):
                writer.write(sent + GET + b"\r\n")
                found = await read_response(reader)
                assert (found.status, found.headers["connection"]) == (400, "close")
                assert await reader.read() == b""

    on_uvloop(work)


@pytest.mark.parametrize("respond_first", [False, True])
def test_a_trailer_can_close_the_connection(respond_first: bool) -> None:
    """The connection closes after the response, or at once if that has already been sent."""
    head = FRAMED + b"\r\n1\r\nx\r\n0\r\n"

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        if respond_first:
            headers = [(b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        else:
            await body_length_app(scope, receive, send)

    async def work() -> None:
        async with serving(respond) as served:
            reader, writer = await served.connect()
            with closing(writer):
                writer.write(head)
                if respond_first:
                    assert (await read_response(reader)).status == 200
                writer.write(b"Connection: close\r\n\r\n" + GET + b"\r\n")
                if not respond_first:
                    assert (await read_response(reader)).headers["connection"] == "close"
                assert await reader.read() == b""

    on_uvloop(work)


# --- pipelined requests ----------------------------------------------------------------------


def test_only_a_few_pipelined_requests_are_parsed_ahead() -> None:
    """Of any number of requests, only a few are parsed ahead. Each gets its response in order."""

    async def work() -> None:
        async with serving() as served:
            reader, writer = await served.connect()
            with closing(writer):
                for number in range(1, 1_500):
                    writer.write(
                        b"POST / HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\n\r\n" % (number % 7)
                    )
                    writer.write(b"x" * (number % 7))
                most = 0
                for number in range(1, 1_500):
                    assert (await read_response(reader)).body == b"%d" % (number % 7)
                    (connection,) = served.connections
                    most = max(most, len(connection.pipeline))
                assert most < 400

    on_uvloop(work)


def test_pipelined_upgrades_are_answered_in_order() -> None:
    """Each request is parsed from its own start, without copying the rest."""
    asking = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"

    async def work() -> None:
        async with serving() as served:
            reader, writer = await served.connect()
            with closing(writer):
                one = b"POST / HTTP/1.1\r\nHost: x\r\n" + asking + b"content-length: %d\r\n\r\n%b"
                writer.write(b"".join(one % (n % 5, b"x" * (n % 5)) for n in range(3_900)))
                for number in range(3_900):
                    assert (await read_response(reader)).body == b"%d" % (number % 5)

    on_uvloop(work)


def test_a_refusal_follows_the_earlier_responses() -> None:
    """An invalid request does not affect the response before it."""

    async def work() -> None:
        async with serving() as served:
            reader, writer = await served.connect()
            with closing(writer):
                writer.write(GET + b"\r\n" + b"\0 nonsense")
                assert (await read_response(reader)).status == 200
                assert (await read_response(reader)).status == 400
                assert await reader.read() == b""

    on_uvloop(work)


# --- deadlines ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "seconds", "status", "why"),
    [
        (b"", 10, 408, "head_too_slow"),
        (b"\r\n\r\n", 10, 408, "head_too_slow"),
        (b"GET / HT", 10, 408, "head_too_slow"),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\ncontent-length: 16777216\r\n\r\nx",
            30,
            408,
            "body_too_slow",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx",
            30,
            408,
            "body_too_slow",
        ),
    ],
)
def test_slow_requests_are_refused_at_the_deadline(
    sent: bytes, seconds: float, status: int, why: str
) -> None:
    """The log gets a line. A moment before the deadline, the server still waits."""

    async def work() -> None:
        async with serving() as served:
            reader, writer = await served.connect()
            with closing(writer), capture_logs() as lines:
                writer.write(sent)
                await until_read(served, sent)
                await served.advance(seconds - 1)
                assert served.refused == {}
                await served.advance(1)
                assert (await read_response(reader)).status == status
                assert await reader.read() == b""
                assert served.connections  # the caller has time to read it
                await served.advance(5)
                await until(lambda: not served.connections)
            assert served.refused == {why: 1}
            assert [line["why"] for line in lines if line["event"] == "connections_closed"] == [why]

    on_uvloop(work)


async def until_read(served: RunningServer, sent: bytes) -> None:
    """Wait until the server has read everything sent on the only connection."""
    await until(lambda: served.connections and served.connections[0].state.is_admitted)
    if sent.strip():
        (connection,) = served.connections
        await until(lambda: connection.state.reading is not RequestPart.NOTHING)


def test_progress_of_a_body_restarts_its_deadline() -> None:
    """The deadline restarts whenever 16 KiB arrive before it.

    Single bytes do not count as progress.
    """
    seen: list[int] = []

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        async def counted() -> Message:
            message = await receive()
            seen.append(len(message.get("body", b"")))
            return message

        await body_length_app(scope, counted, send)

    head = b"POST / HTTP/1.1\r\nHost: x\r\ncontent-length: 200000\r\n\r\n"

    async def work() -> None:
        async with serving(counting) as served:
            for piece, seconds, status in ((20_000, 29, 200), (1, 14, 408)):
                reader, writer = await served.connect()
                with closing(writer):
                    seen.clear()
                    writer.write(head)
                    for number in range(1, 4 if status == 408 else 10):
                        writer.write(b"x" * piece)
                        await until_sum(seen, number * piece)
                        await served.advance(seconds)
                    if status == 200:
                        writer.write(b"x" * 20_000)
                    assert (await read_response(reader)).status == status

    on_uvloop(work)


async def until_sum(seen: list[int], size: int) -> None:
    """Wait until this much has arrived."""
    await until(lambda: sum(seen) >= size)


def test_an_idle_connection_is_closed_at_the_deadline() -> None:
    """The time counts from the last response, and not during a request."""

    async def work() -> None:
        async with serving() as served:
            reader, writer = await served.connect()
            with closing(writer):
                for _ in range(3):
                    writer.write(GET + b"\r\n")
                    assert (await read_response(reader)).status == 200
                    await served.advance(74)
                await served.advance(1)
                assert await reader.read() == b""
            assert served.refused == {}

    on_uvloop(work)


def test_an_unread_response_is_discarded() -> None:
    """If the caller reads nothing for 60 s, the response's memory is freed."""

    async def large(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(64 << 20)})

    async def work() -> None:
        async with serving(large) as served:
            with closing(socket.create_connection(("127.0.0.1", served.port))) as caller:
                caller.sendall(GET + b"\r\n")
                await until(lambda: len(served.shared.deadlines.answer))
                (connection,) = served.connections
                await until(lambda: connection.transport.get_write_buffer_size() < 64 << 20)
                await asyncio.to_thread(caller.recv, 1 << 20)
                await served.advance(60)  # some of it has been read since
                assert served.shared.connections
                await served.advance(60)
                await until(lambda: not served.shared.connections)
                assert served.refused == {"answer_not_read": 1}

    on_uvloop(work)


def test_an_unneeded_body_is_read_only_up_to_a_limit() -> None:
    """The response may precede the body. After it, only a limited part of the body is read."""

    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def work() -> None:
        async with serving(refuse) as served:
            reader, writer = await served.connect()
            with closing(writer):
                writer.write(b"POST / HTTP/1.1\r\nHost: x\r\ncontent-length: 999999999\r\n\r\n")
                assert (await read_response(reader)).status == 401
                for _ in range(80):
                    writer.write(bytes(1 << 20))
                await until(lambda: not served.shared.connections)

    on_uvloop(work)


# --- limits of connections -------------------------------------------------------------------


def test_one_address_cannot_fill_the_server() -> None:
    """An address's connections beyond its limit are refused, and another address is served."""

    async def work() -> None:
        release = asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["client"][0] == "127.0.0.1":
                await release.wait()
            await body_length_app(scope, receive, send)

        async with serving(slow, places=20, per_address=0) as served:
            mine = [await served.connect() for _ in range(10)]
            for _, one in mine:
                one.write(GET + b"\r\n")
            await until(lambda: len(served.shared.tasks) == 10)
            reader, _ = await served.connect()
            assert (await read_response(reader)).status == 429
            assert await reader.read() == b""
            reader, writer = await served.connect("127.0.0.2")
            writer.write(GET + b"\r\n")
            assert (await read_response(reader)).status == 200
            for _, one in mine:
                one.close()
            await until(lambda: served.shared.limits.total == 1)
            assert served.refused == {"address_full": 1}
            release.set()

    on_uvloop(work)


def test_an_address_at_its_limit_evicts_its_own_connections() -> None:
    """Only the address's connection that has waited longest for a request is closed."""

    async def work() -> None:
        async with serving(places=100, per_address=5) as served:
            other_reader, other = await served.connect("127.0.0.2")
            mine = [await served.connect() for _ in range(5)]
            await until(lambda: served.shared.limits.total == 6)
            for _ in range(3):
                reader, writer = await served.connect()
                writer.write(GET + b"\r\n")
                assert (await read_response(reader)).status == 200
            assert served.refused == {"evicted": 3}
            assert [await is_closed(reader) for reader, _ in mine[:3]] == [True] * 3
            other.write(GET + b"\r\n")
            assert (await read_response(other_reader)).status == 200

    on_uvloop(work)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Return whether the connection has ended in any way."""
    with suppress(ConnectionResetError):
        return await reader.read() == b""
    return True


def test_a_full_server_evicts_waiting_connections() -> None:
    """The connection that has waited longest for a request is closed. Active connections stay."""

    async def work() -> None:
        release = asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/slow":
                await release.wait()
            await body_length_app(scope, receive, send)

        async with serving(slow, places=16, per_address=100) as served:
            asking_reader, asking = await served.connect("127.0.0.2")
            asking.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: served.shared.tasks)
            halves = [await served.connect(f"127.0.0.{3 + n % 4}") for n in range(30)]
            for _, half in halves:
                half.write(b"GET / HT")
            await until(lambda: served.refused.get("evicted", 0) >= 14)
            reader, writer = await served.connect("127.0.0.9")
            writer.write(GET + b"\r\n")
            assert (await read_response(reader)).status == 200
            assert served.shared.limits.total <= 17
            release.set()
            assert (await read_response(asking_reader)).status == 200
            for _, one in halves:
                one.close()

    on_uvloop(work)


def test_a_connection_is_refused_when_all_others_are_busy() -> None:
    """The response is 503 with Retry-After."""

    async def work() -> None:
        release = asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await release.wait()
            await body_length_app(scope, receive, send)

        async with serving(slow, places=4, per_address=100) as served:
            for number in range(5):  # one more for loopback
                _, writer = await served.connect(f"127.0.0.{2 + number}")
                writer.write(GET + b"\r\n")
            await until(lambda: len(served.shared.tasks) == 5)
            reader, _ = await served.connect()
            refused = await read_response(reader)
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            release.set()

    on_uvloop(work)


def test_behind_a_trusted_proxy_each_address_has_its_own_limit() -> None:
    """The limit applies to concurrent requests.

    The proxy's connections do not count as one caller's.
    """

    async def work() -> None:
        release = asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await release.wait()
            await body_length_app(scope, receive, send)

        async with serving(slow, per_address=2, proxies=["127.0.0.1"]) as served:

            async def ask(address: bytes) -> int:
                sent = GET + b"X-Forwarded-For: " + address + b"\r\n\r\n"
                return (await served.ask(sent)).status

            first = [asyncio.create_task(ask(b"192.0.2.1")) for _ in range(2)]
            await until(lambda: len(served.shared.tasks) == 2)
            assert await ask(b"192.0.2.1") == 429
            other = asyncio.create_task(ask(b"192.0.2.2"))
            await until(lambda: len(served.shared.tasks) == 3)
            release.set()
            assert await asyncio.gather(*first, other) == [200, 200, 200]
            assert await ask(b"192.0.2.1") == 200

    on_uvloop(work)


def test_tiny_chunks_are_added_to_a_body_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chunks of a slice are joined first, so one-byte chunks cost little more than others."""
    sizes: list[int] = []
    add = HttpToolsProtocol.on_body

    def counted(connection: HttpToolsProtocol, body: bytes) -> None:
        sizes.append(len(body))
        add(connection, body)

    async def work() -> None:
        async with serving() as served:
            monkeypatch.setattr(HttpToolsProtocol, "on_body", counted)
            head = b"POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            response = await served.ask(head + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n")
            assert (response.status, response.body) == (200, b"20000")
            assert sum(sizes) == 20_000
            assert len(sizes) < 200

    on_uvloop(work)


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2])
def test_low_memory_is_a_server_error(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    """The response is 503 with Retry-After, because a source stops at 400 and loses events."""

    def nothing_left(_self: object, _body: bytes) -> None:
        raise MemoryError

    async def work() -> None:
        async with serving() as served:
            monkeypatch.setattr(HttpToolsProtocol, "on_body", nothing_left)
            head = f"POST / HTTP/1.1\r\nHost: x\r\ncontent-length: {length}\r\n\r\n"
            refused = await served.ask(head.encode() + b"x")
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert json.loads(refused.body)["code"] == 101

    on_uvloop(work)
