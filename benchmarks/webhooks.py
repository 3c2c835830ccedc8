"""Measures the CPU time of many webhooks that one client has.

The benchmark publishes ``--rate`` events per second to one feed, first without webhooks, and then
for ``--seconds`` with ``--webhooks`` webhooks. Each webhook sends every event or, with
``--services``, the events of one service. One receiver in another process gets all requests. The
benchmark prints the CPU time as a share of one core. With ``--compare``, it instead prints the CPU
time that a request takes with floorcast's HTTP client and with httpx.

Run: ``python -m benchmarks.webhooks``.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import re
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import cast
from urllib.parse import urlsplit

import httpx
import uvloop

from floorcast.feeds.feed import Feed
from floorcast.feeds.ring import Rings
from floorcast.kv.lease import Lease
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.log.memory import MemoryLog
from floorcast.model.cancellation import cancel_all
from floorcast.model.token import (
    decode,
    encode,
    end_of_entry,
    entry_of,
    event_id_maker,
    position,
    system_now,
)
from floorcast.site.configuration import FeedName
from floorcast.site.webhooks import Webhook, WebhookFilter
from floorcast.store.projection_store import ProjectionStore
from floorcast.webhooks.delivery_resources import DeliveryResources
from floorcast.webhooks.http_client import HttpClient, tls_context
from floorcast.webhooks.sender import ClientSender

CLIENT = 1
SLICES = 20  # entries per second
PAD = "x" * 300
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Receiver(asyncio.Protocol):
    """An HTTP server that responds with 204. ``requests`` and ``size`` count requests and bytes."""

    requests = size = 0

    def __init__(self) -> None:
        self._left = 0
        self._head = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``. Counts requests and responds to each."""
        Receiver.size += len(data)
        while data:
            if not self._left:
                head, found, data = (self._head + data).partition(b"\r\n\r\n")
                if not found:
                    self._head = head
                    return
                self._head = b""
                length = LENGTH.search(head)
                assert length is not None
                self._left = int(length[1])
            taken = min(self._left, len(data))
            self._left -= taken
            data = data[taken:]
            if not self._left:
                Receiver.requests += 1
                assert self._transport is not None
                self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


def receive(pipe: Connection) -> None:
    """Run the receiver. It answers each message on the pipe with its counts."""

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        while True:
            await asyncio.to_thread(pipe.recv)
            pipe.send((Receiver.requests, Receiver.size))

    with suppress(EOFError, KeyboardInterrupt):
        uvloop.run(serve())


class Floors:
    """The floors of a site that has one client with one feed."""

    def __init__(self, services: int) -> None:
        self.services = services
        self.log = MemoryLog(system_now)
        self.token_secret = b"secret"
        store = ProjectionStore(None, system_now, identity="bench", heads={})
        self.rings = Rings(store, 64 << 20)
        self.feed = Feed(CLIENT, "interaction", self.rings)

    def feed_of(self, _client: int, _name: FeedName) -> Feed:
        """Return the feed."""
        return self.feed

    async def cursor_of(self, client: int, token: str) -> int:
        """Return the position that a token contains."""
        return decode(client, token, self.token_secret).position

    def token_now(self, client: int, cursor: int, *, at_head: bool = True) -> str:
        """Return a token for a cursor."""
        ticks = self.log.recorded_at(client, entry_of(cursor)) or system_now() * at_head
        return encode(client, ticks, cursor, self.token_secret)

    async def publish(self, events: int) -> None:
        """Publish an entry with this many events."""
        number = await self.log.append_site(CLIENT, b"%d" % system_now())
        ticks = self.log.head(CLIENT).recorded_at
        event_id = event_id_maker(CLIENT, ticks, number, self.token_secret)
        records = [
            (
                position(number, index),
                ("VOICE", index % self.services, 1),
                b'{"eventId":"%b","pad":"%b"}' % (event_id(index).encode(), PAD.encode()),
            )
            for index in range(events)
        ]
        self.feed.publish(records, end_of_entry(number), ticks)


async def busy(floors: Floors, rate: int, seconds: float) -> float:
    """Publish events for this many seconds. Returns the CPU time as a share of a core."""
    begun, used = time.monotonic(), time.process_time()
    for turn in range(int(seconds * SLICES)):
        await floors.publish(rate // SLICES)
        await asyncio.sleep(max(0, begun + (turn + 1) / SLICES - time.monotonic()))
    return (time.process_time() - used) / (time.monotonic() - begun)


async def measure(options: argparse.Namespace, port: int, pipe: Connection) -> None:
    """Print the shares without and with webhooks."""
    floors, kv = Floors(options.services), MemoryKeyValueStore()
    await floors.publish(1)
    alone = await busy(floors, options.rate, options.seconds / 2)
    webhooks = [
        Webhook(
            name=f"hook-{number}",
            url=f"http://127.0.0.1:{port}/hook",
            secret="whsec_" + "QUFB" * 10,
            send=("interaction",),
            allow_private=True,
            filter=WebhookFilter(
                service=(number % options.services,) if options.services > 1 else None
            ),
        )
        for number in range(options.webhooks)
    ]
    lease = Lease(kv, "bench")
    resources = DeliveryResources(floors, system_now, tls_context)
    sender = ClientSender(CLIENT, kv, lease, resources, lambda: webhooks)
    task = asyncio.create_task(lease.run(sender.run))
    await busy(floors, options.rate, 3)
    pipe.send("count")
    before = pipe.recv()
    share = await busy(floors, options.rate, options.seconds)
    pipe.send("count")
    requests, size = (now - then for now, then in zip(pipe.recv(), before, strict=True))
    await cancel_all([task])
    print(f"without webhooks  {alone:6.1%} of a core")
    print(f"with {options.webhooks:3} webhooks {share:6.1%} of a core: +{share - alone:.1%}")
    each = (share - alone) * options.seconds / max(requests, 1) * 1e6
    print(f"{requests / options.seconds:,.0f} requests/s, {size / options.seconds / 1e6:,.0f} MB/s")
    print(f"{each:.0f} µs a request")


async def compare(port: int) -> None:
    """Print the CPU time that a request of 30 KB takes with each library."""
    url, body, times = f"http://127.0.0.1:{port}/hook", b"x" * 30_000, 2000
    one = HttpClient(urlsplit(url), tls_context, allow_private=True)
    async with httpx.AsyncClient() as other:
        for name, post in (
            ("floorcast", lambda: one.post({"a": "b"}, body)),
            ("httpx", lambda: other.post(url, content=body)),
        ):
            begun = time.process_time()
            for _ in range(times):
                await post()
            print(f"{name:10} {(time.process_time() - begun) / times * 1e6:5.0f} µs a request")
    one.close()


def main() -> None:
    """Start the receiver and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--webhooks", type=int, default=200)
    parser.add_argument("--rate", type=int, default=1000, help="events a second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--services", type=int, default=1)
    parser.add_argument("--compare", action="store_true", help="compare with httpx")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=receive, args=(theirs,), daemon=True)
    process.start()
    port = pipe.recv()
    uvloop.run(compare(port) if options.compare else measure(options, port, pipe))
    process.terminate()


if __name__ == "__main__":
    main()
