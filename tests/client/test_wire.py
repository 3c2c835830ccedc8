"""Tests with real connections that endless responses are refused while they are read."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from floorcast.client import AsyncClient, AsyncSender, Client, Sender, Timing
from floorcast.client.wire import BoundedResponse
from floorcast.model.errors import Unavailable, UnexpectedAnswer

LIMIT = 1 << 20
MOST_SENT = 64 << 20  # including the buffers of both ends; the response itself never ends
PIECE = 1 << 16
PAGE = b'{"token":"t","events":[]}'
JSON = "application/json"
SSE = "text/event-stream"
PACKED = "content-encoding: gzip\r\n"


class EndlessServer:
    """A loopback server that sends ``body`` for as long as the caller reads it."""

    def __init__(self, body: Callable[[], Iterator[bytes]], kind: str, coding: str) -> None:
        self._body, self._kind, self._coding = body, kind, coding
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def end(self) -> None:
        """Stop. All callers have closed their connections by then."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        while line := _read_request(connection):
            if self._kind == SSE and "/sse" not in line:
                head = f"HTTP/1.1 200 OK\r\ncontent-type: {JSON}\r\ncontent-length: {len(PAGE)}"
                connection.sendall(head.encode() + b"\r\n\r\n" + PAGE)
                continue
            head = f"HTTP/1.1 200 OK\r\ncontent-type: {self._kind}\r\n{self._coding}"
            connection.sendall(head.encode() + b"connection: close\r\n\r\n")
            for piece in self._body():
                connection.sendall(piece)
                self.sent += len(piece)
                assert self.sent < MOST_SENT


def _read_request(connection: socket.socket) -> str:
    """Read a whole request, and return its first line, or "" if the caller has closed."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return ""
        head += byte
    lines = head.decode().lower().splitlines()
    lengths = [int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")]
    left = sum(lengths)
    while left:
        left -= len(connection.recv(left))
    return lines[0]


@contextmanager
def endless_server(
    body: Callable[[], Iterator[bytes]], kind: str = JSON, coding: str = ""
) -> Iterator[EndlessServer]:
    """Run the server during the block, then check that it has sent little more than the limit."""
    server = EndlessServer(body, kind, coding)
    try:
        yield server
    finally:
        server.end()
    assert server.sent < MOST_SENT


def spaces() -> Iterator[bytes]:
    """Yield JSON that never starts."""
    return itertools.repeat(b" " * PIECE)


def bomb() -> Iterator[bytes]:
    """Yield a little data that expands to a lot."""
    packer = zlib.compressobj(wbits=31)
    while True:
        yield packer.compress(b" " * LIMIT) + packer.flush(zlib.Z_SYNC_FLUSH)


def trailing_data() -> Iterator[bytes]:
    """Yield data that a decoder ignores."""
    return itertools.chain([gzip.compress(b"{}")], itertools.repeat(b" " * PIECE))


async def request_async(url: str) -> None:
    """Send a request."""
    async with AsyncClient(url, session="s", max_answer_bytes=LIMIT) as client:
        await client.waiting_calls()


def request_sync(url: str) -> None:
    """Send a request."""
    with Client(url, session="s", max_answer_bytes=LIMIT) as client:
        client.waiting_calls()


def send_sync(url: str) -> None:
    """Send an event."""
    with Sender(url, "key", max_answer_bytes=LIMIT) as sender:
        sender.send([{"specversion": "1.0", "id": "1", "source": "t", "type": "call.end"}])  # type: ignore[list-item]  # any JSON


async def send_async(url: str) -> None:
    """Send an event."""
    async with AsyncSender(url, "key", max_answer_bytes=LIMIT) as sender:
        await sender.send([{"specversion": "1.0", "id": "1", "source": "t", "type": "call.end"}])  # type: ignore[list-item]  # any JSON


REQUESTS: dict[str, Callable[[str], None]] = {
    "thread": request_sync,
    "loop": lambda url: asyncio.run(request_async(url)),
    "sender": send_sync,
    "sender on a loop": lambda url: asyncio.run(send_async(url)),
}


@pytest.mark.parametrize("way", REQUESTS)
@pytest.mark.parametrize(
    ("body", "coding"), [(spaces, ""), (bomb, PACKED), (trailing_data, PACKED)]
)
def test_endless_response_is_refused_while_reading(
    way: str, body: Callable[[], Iterator[bytes]], coding: str
) -> None:
    """Plain and compressed responses are refused. The message names the parameter."""
    with endless_server(body, JSON, coding) as server, pytest.raises(UnexpectedAnswer) as refused:
        REQUESTS[way](server.url)
    assert "larger than 1,048,576 bytes" in str(refused.value)
    assert "max_answer_bytes" in str(refused.value)


async def follow_async(url: str) -> None:
    """Follow a feed."""
    async with (
        AsyncClient(url, session="s", max_answer_bytes=LIMIT) as client,
        client.interaction_events() as feed,
    ):
        await anext(feed)


def follow_sync(url: str) -> None:
    """Follow a feed."""
    with (
        Client(url, session="s", max_answer_bytes=LIMIT) as client,
        client.interaction_events() as feed,
    ):
        next(feed)


def one_line() -> Iterator[bytes]:
    """Yield an event whose line never ends."""
    return itertools.chain([b"data: "], itertools.repeat(b"x" * PIECE))


def many_lines() -> Iterator[bytes]:
    """Yield an event with endlessly many lines."""
    return itertools.repeat(b"data: x\n" * (PIECE // 8))


@pytest.mark.parametrize("follow", [follow_sync, lambda url: asyncio.run(follow_async(url))])
@pytest.mark.parametrize("body", [one_line, many_lines])
def test_endless_event_is_refused_while_reading(
    follow: Callable[[str], None], body: Callable[[], Iterator[bytes]]
) -> None:
    """The event may have one long line or many lines."""
    with (
        endless_server(body, SSE) as server,
        pytest.raises(UnexpectedAnswer, match="an event of the stream"),
    ):
        follow(server.url)


def test_stream_can_be_longer_than_the_limit() -> None:
    """Only data since the last complete event counts."""
    events = [b"id: %d\ndata: {}\n\n" % number * 100 for number in range(100)]
    answer = httpx.Response(200, headers={"content-type": SSE}, stream=_Chunks(events),
                            request=httpx.Request("GET", "http://x"))  # fmt: skip
    bounded = BoundedResponse(answer, 2 * len(events[-1]))
    taken = 0
    for piece in bounded.iter_bytes():
        taken += len(piece)
        bounded.begin_event()
    assert taken == sum(map(len, events))


class _Chunks(httpx.SyncByteStream):
    """A body in chunks."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)


def fail_sync(url: str) -> None:
    """Send a request once."""
    with Client(url, session="s", timing=Timing(patience=0)) as client:
        client.waiting_calls()


async def fail_async(url: str) -> None:
    """Send a request once."""
    async with AsyncClient(url, session="s", timing=Timing(patience=0)) as client:
        await client.waiting_calls()


@contextmanager
def closing_server(answer: bytes) -> Iterator[str]:
    """Run a server that sends ``answer`` to each connection and closes it. Yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        _read_request(connection)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(30)


@pytest.mark.parametrize("request_once", [fail_sync, lambda url: asyncio.run(fail_async(url))])
@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "http://127.0.0.1:1",
            "nothing answers at http://127.0.0.1:1 (is the server running there?)",
        ),
        ("http://localhost:1", "nothing answers at http://localhost:1"),
        ("http://floorcast.invalid", "the name floorcast.invalid cannot be resolved: "),
    ],
)
def test_a_failed_connection_is_described_in_words(
    request_once: Callable[[str], None], url: str, message: str
) -> None:
    """Threads and event loops use the same words, without error numbers."""
    with pytest.raises(Unavailable) as failed:
        request_once(url)
    assert failed.value.message.startswith(message)
    assert "Errno" not in failed.value.message


@pytest.mark.parametrize("request_once", [fail_sync, lambda url: asyncio.run(fail_async(url))])
@pytest.mark.parametrize("answer", [b"", b"220 mail.test ESMTP\r\n"])
def test_a_port_without_http_is_described_in_words(
    request_once: Callable[[str], None], answer: bytes
) -> None:
    """The message has the URL, and no name of an exception."""
    with closing_server(answer) as url, pytest.raises(Unavailable) as failed:
        request_once(url)
    start = f"{url}/realtime/service/calls/status: the response is not HTTP, or was cut off: "
    assert failed.value.message.startswith(start)
