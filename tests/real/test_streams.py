"""Tests of a real server's streams with curl, httpx, a browser and slow readers."""

from __future__ import annotations

import json
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from httpx_sse import connect_sse
from playwright.sync_api import Page

from tests.browser import chromium
from tests.real.load import PATIENCE
from tests.real.server import EVENTS, Caller, Server, running
from tests.real.sites import PASSWORD, TOKENS, event, ndjson

STREAM = EVENTS + "/sse"

# The page logs in with a cookie, follows the feed, and collects the events.
FOLLOW = """async ([access, login]) => {
    const answer = await fetch("/session/login?cookie=true", {
        method: "POST", headers: {"LV-Access": access}, body: JSON.stringify(login)});
    window.got = [];
    const source = new EventSource("/realtime/event/feed/sse");
    source.onmessage = (message) =>
        window.got.push([message.lastEventId, JSON.parse(message.data).transactionId]);
    await new Promise((resolve) => { source.onopen = resolve; });
    return answer.status;
}"""
GOT = "(count) => window.got.length >= count"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Run a separate server for each test."""
    with running(tmp_path) as one:
        yield one


def calls(*numbers: int, pad: int = 0) -> bytes:
    """Return the events with which calls begin."""
    return ndjson(
        event(
            "call.start",
            number,
            transactionId=number,
            sessionId=f"S{number}",
            service=38049,
            direction="INBOUND",
            account="x" * pad,
        )
        for number in numbers
    )


@pytest.mark.long
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_receives_the_bytes_of_the_reference(server: Server) -> None:
    """curl prints data lines and keep-alives, with and without gzip.

    The keep-alives have the time in the client's time zone.
    """
    with Caller(server.url) as caller, ExitStack() as stack:
        session = caller.login()
        curls = []
        for option in ("--no-compressed", "--compressed"):
            command = ["curl", "-sN", option, "--location", "--request", "POST"]
            command += [f"{server.url}{STREAM}?count=500", "--header", f"LV-Session: {session}"]
            command += ["--header", "Content-Type: application/json", "--data-raw", '{"token": ""}']
            popen = subprocess.Popen(command, stdout=subprocess.PIPE)
            curls.append(stack.enter_context(popen))
        until_open(caller, len(curls))
        caller.take(calls(1, 2))
        said = [head(curl, 6) for curl in curls]
        assert server.terminate() == 0
        for lines, curl in zip(said, curls, strict=True):
            assert curl.stdout is not None
            lines.extend(curl.stdout.readlines())
            assert curl.wait() == 0
    for lines in said:
        for number, line in enumerate(lines[0:4:2], 1):
            assert json.loads(line.removeprefix(b"data: "))["transactionId"] == number
        assert lines[1] == lines[3] == lines[5] == b"\n"
        assert re.fullmatch(rb": keepalive \d{4}-\d\d-\d\d \d\d:\d\d:\d\d-0[45]00\n", lines[4])
        assert lines[6:] == [b": closed: the server stops\n", b"\n"]


def head(curl: subprocess.Popen[bytes], count: int) -> list[bytes]:
    """Return the first lines of a program's output."""
    assert curl.stdout is not None
    return [curl.stdout.readline() for _ in range(count)]


def request(session: str, body: str = "", *, path: str = STREAM, version: str = "1.1") -> bytes:
    """Return the bytes of a request. In a response to HTTP/1.0, a stream is not chunked."""
    head = f"POST {path} HTTP/{version}\r\nHost: x\r\nLV-Session: {session}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def until_open(caller: Caller, count: int) -> None:
    """Wait until the server has this many open streams."""
    while caller.metric_value("floorcast_feed_open_streams") != count:
        pass


def test_httpx_sse_gives_each_event_once_across_kills(server: Server) -> None:
    """A reader that resumes from the last event's eventId gets each event once."""
    with Caller(server.url, up=server.up) as caller:
        caller.login()
        token = caller.feed(EVENTS).token
        headers = {"Accept": "text/event-stream, application/json"}
        got: list[int] = []
        for part in range(4):
            caller.take(calls(*range(part * 100, part * 100 + 100)))
            body = {"token": token}
            with connect_sse(
                caller.http, "POST", STREAM, headers=headers, json=body, timeout=20
            ) as source:
                for message in source.iter_sse():
                    one = json.loads(message.data)
                    got.append(one["transactionId"])
                    token = one["eventId"]
                    if len(got) == part * 100 + 70:
                        break
            server.kill()
            server.start()
        caller.take(calls(1000))
        events = caller.follow(EVENTS, token, until="1000")
        assert got + [one["transactionId"] for one in events] == [*range(400), 1000]


def test_a_compressed_stream_is_delivered_block_by_block(server: Server) -> None:
    """A client can decompress each event as soon as it arrives."""
    with Caller(server.url) as caller:
        caller.login()
        token = caller.feed(EVENTS).token
        with caller.http.stream("POST", STREAM, json={"token": token}) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            lines = answer.iter_lines()
            for number in range(5):
                with Caller(server.url) as source:
                    source.take(calls(number))
                assert f'"transactionId":{number},' in next(lines)
                assert next(lines) == ""


@pytest.fixture
def page() -> Iterator[Page]:
    """Open a page in a headless Chromium."""
    with chromium() as browser:
        yield browser.new_page()


def test_an_event_source_reconnects_after_a_restart(server: Server, page: Page) -> None:
    """The browser reconnects with the last event's id, and misses no event."""
    page.goto(server.url + "/healthz")
    login = {"clientName": "ACME", "userName": "sysadmin", "password": PASSWORD}
    assert page.evaluate(FOLLOW, [TOKENS["ACME"], login]) == 200
    with Caller(server.url) as caller:
        caller.login()
        caller.take(calls(*range(50)))
        page.wait_for_function(GOT, arg=50)
        assert server.terminate() == 0
        server.start()
        caller.take(calls(*range(50, 100)))
        page.wait_for_function(GOT, arg=100)
        caller.take(calls(*range(100, 110)))
        page.wait_for_function(GOT, arg=110)
        got = page.evaluate("() => window.got")
        assert [number for _, number in got] == list(range(110))
        last = caller.feed(EVENTS, token=got[99][0]).events
        assert [one["transactionId"] for one in last] == list(range(100, 110))


def test_a_stalled_reader_uses_no_memory_and_misses_no_event(server: Server) -> None:
    """The server does not buffer 20 MB for a slow reader, which later reads all events."""
    with Caller(server.url) as caller, socket.create_connection(("127.0.0.1", server.port)) as sock:
        session = caller.login()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(request(session, version="1.0"))
        assert sock.recv(12) == b"HTTP/1.1 200"
        until_open(caller, 1)
        caller.take(calls(*range(1000), pad=500))
        before = caller.metric_value("process_resident_memory_bytes")
        for start in range(1000, 20_000, 1000):
            caller.take(calls(*range(start, start + 1000), pad=500))
        written = caller.metric_value("floorcast_feed_stream_bytes_total")
        grown = caller.metric_value("process_resident_memory_bytes") - before
        assert written < 4_000_000  # the kernel's buffers and one write
        assert grown < 200_000_000  # 20,000 calls on the floor need this
        found: list[int] = []
        rest = b""
        while len(found) < 20_000:
            *lines, rest = (rest + sock.recv(1 << 20)).split(b"\n")
            found += [
                int(line.split(b'"transactionId":')[1].split(b",")[0])
                for line in lines
                if line.startswith(b"data: ")
            ]
        assert found == list(range(20_000))


class Reader:
    """A reader that reads a stream in pieces, disconnects at random, and resumes."""

    def __init__(self, server: Server, session: str, token: str, rng: random.Random) -> None:
        self.got: list[int] = []
        self._rest = b""
        self._server = server
        self._session = session
        self._token = token
        self._rng = rng
        self._gulp = rng.choice([4000, 20_000, 1 << 20])  # maximum bytes
        self._breaks = rng.choice([0.0, 0.05, 0.5])  # share of reads
        self._begin()

    def fileno(self) -> int:
        """Return the file descriptor, for a selector."""
        return self.sock.fileno()

    def step(self) -> None:
        """Read some bytes, and sometimes disconnect afterwards."""
        try:
            piece = self.sock.recv(self._rng.randint(1, self._gulp))
        except ConnectionResetError:
            piece = b""
        if not piece:  # the server was killed
            self.sock.close()
            self._begin()
        *events, self._rest = (self._rest + piece).split(b"\n\n")
        for one in events:
            _head, _, data = one.rpartition(b"data: ")
            if data.startswith(b"{"):
                received = json.loads(data)
                self.got.append(received["transactionId"])
                self._token = received["eventId"]
        if self._rng.random() < self._breaks:
            if self._rng.random() < 0.5:  # with a reset
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.sock.close()
            self._begin()

    def _begin(self) -> None:
        body = json.dumps({"token": self._token, "filter": {"service": [{"id": 38049}]}})
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.sock.connect(("127.0.0.1", self._server.port))
        self.sock.sendall(request(self._session, body, version="1.0"))
        self._rest = b""


def all_step(readers: list[Reader]) -> None:
    """Wait until a reader has data, and let each reader that has data take a step."""
    for reader in select.select(readers, [], [], 1)[0]:
        reader.step()


@pytest.mark.parametrize("seed", range(3))
def test_fast_slow_and_disconnecting_readers_get_each_event_once(server: Server, seed: int) -> None:
    """Fast, slow and disconnecting readers get each event once, through a kill of the server."""
    rng = random.Random(seed)
    with Caller(server.url, up=server.up) as caller:
        session = caller.login()
        token = caller.feed(EVENTS).token
        readers = [
            Reader(server, session, token, random.Random(f"{seed} {number}"))
            for number in range(24)
        ]
        sent = 0
        for part in range(16):
            caller.take(calls(*range(sent, sent + 50), pad=500))
            sent += 50
            if part == 8:
                server.kill()
                server.start()
            for _ in range(rng.randint(1, 20)):
                all_step(readers)
        until = time.monotonic() + PATIENCE
        while any(len(reader.got) < sent for reader in readers):
            assert time.monotonic() < until
            all_step(readers)
        for reader in readers:
            assert reader.got == list(range(sent))
            reader.sock.close()
    assert '"level": "error"' not in server.log.read_text()


@pytest.mark.parametrize("answers", [0, 2])
def test_a_stream_works_after_pipelined_requests(server: Server, answers: int) -> None:
    """A stream works after pipelined requests. A request after the stream gets no response."""
    with Caller(server.url) as caller, socket.socket() as sock:
        session = caller.login()
        token = caller.feed(EVENTS).token
        caller.take(calls(*range(1000)))
        before = request(session, f'{{"token": "{token}"}}', path=EVENTS)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(before * answers + request(session) + before)
        until_open(caller, 1)
        caller.take(calls(1000, 1001))
        said = b""
        while said.count(b"\n\ndata: ") < 1:
            piece = sock.recv(1 << 20)
            assert piece
            said += piece
        assert said.count(b"HTTP/1.1 ") == said.count(b"HTTP/1.1 200 OK\r\n") == answers + 1
        assert said.endswith(b"}\n\n\r\n")
    assert "without starting response" not in server.log.read_text()


def test_a_stream_ends_with_a_comment_when_the_server_stops(server: Server) -> None:
    """A stream ends with a comment when the server stops, and the server's exit code is 0."""
    with Caller(server.url) as caller:
        session = caller.login()
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(request(session))
            until_open(caller, 1)
            server.send_signal(signal.SIGTERM)
            said = b""
            while piece := sock.recv(65536):
                said += piece
        assert server.wait() == 0
    assert b": closed: the server stops\n\n" in said
    assert said.endswith(b"0\r\n\r\n")
