"""A small application on the real transport, on loopback, with a test's clock."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, cast

import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from floorcast.server.connection_limits import ConnectionLimits, ConnectionTuning, Deadlines
from floorcast.server.connection_takeover import StreamPoller, limit_by_address
from floorcast.server.uvicorn_internals import (
    ServerConnection,
    SharedServerState,
    UvicornServer,
    tolerate_disconnects,
)
from tests.real.nodes import until

__all__ = ["ReceivedResponse", "RunningServer", "body_length_app", "on_uvloop", "serving"]

T = TypeVar("T")
TIMEOUT_SECONDS = 120.0  # after which the test fails


class ReceivedResponse(NamedTuple):
    """A response as received."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class RunningServer:
    """The server and its clock."""

    port: int
    shared: SharedServerState
    now: float = 0.0
    tls: ssl.SSLContext | None = None
    callers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(
        self, address: str = "127.0.0.1"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection from a loopback address."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(address, 0), ssl=self.tls
        )
        self.callers.append(writer)
        return reader, writer

    async def ask(self, sent: bytes, *, more: bytes = b"") -> ReceivedResponse:
        """Send a request on a new connection, and return the first response."""
        reader, writer = await self.connect()
        with closing(writer):
            writer.write(sent + more)
            return await read_response(reader)

    async def advance(self, seconds: float) -> None:
        """Let time pass, and check the deadlines."""
        self.now += seconds
        self.shared.sweep()

    @property
    def connections(self) -> list[ServerConnection]:
        """The open connections that are not streams."""
        return cast("list[ServerConnection]", list(self.shared.connections))

    @property
    def refused(self) -> dict[str, int]:
        """The number of closed connections by reason."""
        return dict(self.shared.notices.counts)


async def read_response(reader: asyncio.StreamReader) -> ReceivedResponse:
    """Read the next response on a connection."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS)).decode(
        "latin-1"
    )
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return ReceivedResponse(int(first.split()[1]), headers, body)


async def body_length_app(_scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the body's length once the body has been read."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(
    app: ASGIApp = body_length_app,
    *,
    places: int = 100,
    per_address: int = 50,
    proxies: Sequence[str] = (),
    tls: Callable[[], ssl.SSLContext] | None = None,
    client_tls: ssl.SSLContext | None = None,
    tuning: ConnectionTuning = ConnectionTuning(),  # noqa: B008 - it is frozen
) -> AsyncIterator[RunningServer]:
    """Serve the application on a free port while the block runs."""
    limits = ConnectionLimits(places, per_address, proxies)
    served = cast("RunningServer", None)
    deadlines: Deadlines[ServerConnection] = Deadlines(tuning, lambda: served.now)
    with closing(StreamPoller()) as streams:
        shared = SharedServerState(streams, limits, deadlines, tls)
        served = RunningServer(0, shared, tls=client_tls)
        config = uvicorn.Config(
            cast("Any", tolerate_disconnects(limit_by_address(app, limits))),
            http=ServerConnection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            timeout_graceful_shutdown=1,
        )
        server = UvicornServer(config, shared, 1.0)
        sock = socket.create_server(("127.0.0.1", 0), backlog=1000)
        served.port = sock.getsockname()[1]
        running = asyncio.create_task(server.serve([sock]))
        await until(lambda: server.started)
        try:
            yield served
        finally:
            for caller in served.callers:
                caller.transport.abort()
                with suppress(OSError):
                    await caller.wait_closed()
            for connection in served.connections:
                connection.transport.abort()
            server.stop()
            await running


def on_uvloop(work: Callable[[], Awaitable[None]]) -> None:
    """Run a test on the server's kind of loop."""

    async def main() -> None:
        await asyncio.wait_for(work(), TIMEOUT_SECONDS)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
