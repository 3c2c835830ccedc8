"""Tests of responses to disconnected callers. ``tests/real`` has real connections."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import cast

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from floorcast.http.handlers.streams import TAKE_OVER
from floorcast.server import connection_takeover
from floorcast.server.connection_limits import ConnectionLimits
from floorcast.server.connection_takeover import (
    EVENTS_PER_POLL,
    ConnectionTakeover,
    CountedStream,
    StreamPoller,
)
from floorcast.server.uvicorn_internals import tolerate_disconnects


class Transport:
    """A connection's transport, open or closed."""

    def __init__(self, *, closing: bool) -> None:
        self._closing = closing

    def is_closing(self) -> bool:
        return self._closing


class FakeConnection:
    """A connection that is open, or was reset a moment ago."""

    def __init__(self, *, closing: bool) -> None:
        self.transport = cast("asyncio.Transport", Transport(closing=closing))

    def hand_over(self, headers: list[tuple[bytes, bytes]], stream: asyncio.Protocol) -> bool:
        raise AssertionError((headers, stream))


async def responding_app(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start"})


async def failing_send(_message: Message) -> None:
    raise RuntimeError("unable to perform operation, the handler is closed")


async def receive_disconnect() -> Message:
    return {"type": "http.disconnect"}


def respond_through(takeover: object) -> None:
    scope = {"type": "http", "extensions": {TAKE_OVER: takeover}}

    async def answer() -> None:
        await tolerate_disconnects(responding_app)(scope, receive_disconnect, failing_send)

    asyncio.run(answer())


def test_a_response_to_a_disconnected_caller_is_dropped() -> None:
    """The connection may or may not have reported its end yet."""
    respond_through(ConnectionTakeover(FakeConnection(closing=True)))
    gone = ConnectionTakeover(FakeConnection(closing=False))
    gone.mark_gone()
    respond_through(gone)


@pytest.mark.parametrize("takeover", [ConnectionTakeover(FakeConnection(closing=False)), None])
def test_a_failed_response_to_a_connected_caller_raises_an_error(
    takeover: ConnectionTakeover | None,
) -> None:
    """The error is raised."""
    with pytest.raises(RuntimeError, match="unable"):
        respond_through(takeover)


def test_a_disconnect_completes_the_waiting_futures_once() -> None:
    """The future is done at the disconnect or, if it was requested later, immediately.

    A cancelled wait is ignored.
    """

    async def work() -> None:
        takeover = ConnectionTakeover(FakeConnection(closing=False))
        given_up = takeover.until_gone()
        given_up.cancel()
        waiting = takeover.until_gone()
        assert not waiting.done()
        takeover.mark_gone()
        assert waiting.done()
        assert takeover.until_gone().done()
        takeover.mark_gone()

    asyncio.run(work())


SMALL = 4096  # roughly the kernel's buffer of a writer, so that it fills up soon
ENOUGH = 10  # seconds in which expected events happen


@dataclass(eq=False)
class Writer(asyncio.Protocol):
    """The events reported about a connection."""

    reported: list[str] = field(default_factory=list)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.free.set()

    def pause_writing(self) -> None:
        self.reported.append("paused")
        self.free.clear()

    def resume_writing(self) -> None:
        self.reported.append("resumed")
        self.free.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.reported.append("lost")
        self.lost.set()


class Connections:
    """Connections of uvloop, taken over as they arrive."""

    def __init__(self) -> None:
        self.poller = StreamPoller()
        self._loop = asyncio.get_running_loop()
        self._port = 0
        self._made: asyncio.Queue[asyncio.Transport] = asyncio.Queue()
        self._others: list[socket.socket] = []

    async def open(self) -> None:
        """Listen."""
        made = self._made

        class AcceptingProtocol(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                made.put_nowait(cast("asyncio.Transport", transport))

        self._server = await self._loop.create_server(AcceptingProtocol, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and serving."""
        self._server.close()
        await self._server.wait_closed()
        self.poller.close()
        for other in self._others:
            other.close()

    async def connected(self) -> tuple[asyncio.Transport, socket.socket]:
        """Return a uvloop connection and its peer."""
        other = socket.socket()
        self._others.append(other)
        other.setblocking(False)
        await self._loop.sock_connect(other, ("127.0.0.1", self._port))
        transport = await self._made.get()
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        return transport, other

    async def taken_over(self) -> tuple[asyncio.Transport, Writer, socket.socket]:
        """Return a connection that was taken over."""
        transport, other = await self.connected()
        writer = Writer()
        return self.poller.take_over(transport, writer), writer, other

    async def got(self, other: socket.socket, size: int) -> bytes:
        """Read ``size`` bytes as the peer, or until the end."""
        got = bytearray()
        async with asyncio.timeout(ENOUGH):
            while len(got) < size:
                piece = await self._loop.sock_recv(other, 65536)
                if not piece:
                    break
                got += piece
        return bytes(got)


def run(work: Callable[[Connections], Coroutine[None, None, None]]) -> None:
    async def begin() -> None:
        connections = Connections()
        await connections.open()
        try:
            await work(connections)
        finally:
            await connections.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(begin())


@given(
    st.lists(st.integers(1, 50_000), min_size=1, max_size=12),
    st.booleans(),
)
def test_all_data_arrives_in_order(sizes: list[int], patient: bool) -> None:
    """When paused, the writer may wait or continue. The end of the stream follows all data."""

    async def work(connections: Connections) -> None:
        wire, writer, other = await connections.taken_over()
        pieces = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
        reading = asyncio.create_task(connections.got(other, 1 << 30))
        for piece in pieces:
            if patient:
                async with asyncio.timeout(ENOUGH):
                    await writer.free.wait()
            wire.write(piece)
            assert writer.free.is_set() == (wire.get_write_buffer_size() == 0)
        wire.close()
        assert wire.is_closing()
        assert await reading == b"".join(pieces)
        await writer.lost.wait()
        assert writer.reported.count("lost") == 1
        assert wire.get_write_buffer_size() == 0
        held_up = [one for one in writer.reported if one != "lost"]
        assert held_up == ["paused", "resumed"] * (len(held_up) // 2) + ["paused"] * (
            len(held_up) % 2
        )

    run(work)


@pytest.mark.parametrize("way", ["closes", "resets"])
def test_a_disconnect_is_reported_once(way: str) -> None:
    """This also applies to a paused connection. Later writes have no effect."""

    async def work(connections: Connections) -> None:
        for unsent in (0, 1 << 20):
            wire, writer, other = await connections.taken_over()
            wire.write(b"x" * (unsent + 1))
            assert writer.reported == ["paused"] * bool(unsent)
            if way == "resets":
                other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            other.close()
            wire.write(b"y" * (1 << 20))
            async with asyncio.timeout(ENOUGH):
                await writer.lost.wait()
            wire.abort()
            wire.close()
            await asyncio.sleep(0)
            assert writer.reported.count("lost") == 1

    run(work)


class Listening(asyncio.Protocol):
    """A stream that keeps its transport, as a reader does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport


class Wire(asyncio.Transport):
    """A transport that keeps its protocol, as every transport does."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol = protocol


def test_a_lost_stream_leaves_no_garbage() -> None:
    """A lost stream is freed at once, because the collector checks older objects only rarely."""
    stream = Listening()
    counted = CountedStream(stream, ConnectionLimits(9, 9), None, None)
    counted.connection_made(Wire(counted))
    counted.connection_lost(None)
    freed = weakref.ref(stream)
    gc.disable()
    try:
        del stream, counted
        assert freed() is None
    finally:
        gc.enable()


def test_received_data_is_ignored() -> None:
    """The transport still notices when the other side disconnects."""

    async def work(connections: Connections) -> None:
        wire, writer, other = await connections.taken_over()
        for _ in range(3):
            other.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            wire.write(b"event")
            assert await connections.got(other, 5) == b"event"
        other.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(ENOUGH):
            await writer.lost.wait()

    run(work)


def test_writes_after_a_disconnect_are_discarded() -> None:
    """This applies from the disconnect on, even before the writer knows about it."""

    async def work(connections: Connections) -> None:
        wire, writer, other = await connections.taken_over()
        wire.abort()
        wire.write(b"event")
        assert writer.reported == []
        assert await connections.got(other, 5) == b""
        wire.write(b"event")
        assert writer.reported == ["lost"]

    run(work)


def test_an_abort_discards_unsent_data() -> None:
    """The peer notices the abort immediately, and does not mistake it for the end of the stream."""

    async def work(connections: Connections) -> None:
        wire, writer, other = await connections.taken_over()
        wire.write(bytes(1 << 22))
        wire.abort()
        with pytest.raises(ConnectionResetError):
            await connections.got(other, 1 << 22)
        async with asyncio.timeout(ENOUGH):
            await writer.lost.wait()

    run(work)


def test_a_connection_that_cannot_be_taken_over_stays_with_uvloop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Either no file descriptor is left, or an earlier response is still being sent."""

    async def work(connections: Connections) -> None:
        for on_its_way in (0, 1 << 20):
            transport, other = await connections.connected()
            transport.write(b"-" * on_its_way)
            writer = Writer()
            with monkeypatch.context() as patch:
                if not on_its_way:
                    patch.setattr(os, "dup", no_file_left)
                wire = connections.poller.take_over(transport, writer)
            assert wire is transport
            wire.write(b"event")
            wire.close()
            whole = b"-" * on_its_way + b"event"
            assert await connections.got(other, len(whole)) == whole
            async with asyncio.timeout(ENOUGH):
                await writer.lost.wait()

    run(work)


def no_file_left(_file: int) -> int:
    raise OSError(24, "Too many open files")


def test_mass_disconnects_are_handled_over_several_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tasks run in between."""
    monkeypatch.setattr(connection_takeover, "TURN_SECONDS", 0.0)

    async def work(connections: Connections) -> None:
        many = [await connections.taken_over() for _ in range(5 * EVENTS_PER_POLL)]
        for _, _, other in many:
            other.close()
        before, most = 0, 0
        async with asyncio.timeout(ENOUGH):
            while before < len(many):
                await asyncio.sleep(0)
                lost = sum(writer.lost.is_set() for _, writer, _ in many)
                before, most = lost, max(most, lost - before)
        assert most == EVENTS_PER_POLL

    run(work)
