"""A receiver whose responses a test controls, and a runner of webhooks that send to it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
from standardwebhooks import Webhook as Verifier

from floorcast.feeds.feed import Feed
from floorcast.kv.lease import Lease, LeaseTuning
from floorcast.model.cancellation import cancel_all
from floorcast.model.token import TICKS_PER_SECOND, end_of_entry, event_id_maker, position
from floorcast.site.body_template import EXAMPLES
from floorcast.site.webhooks import Webhook, WebhookFilter
from floorcast.webhooks.connection import Reply
from floorcast.webhooks.delivery_resources import DeliveryResources, DeliveryTuning
from floorcast.webhooks.http_client import HttpClient, HttpTuning, tls_context
from floorcast.webhooks.progress import (
    BUCKET,
    Progress,
    progress_item,
    progress_key,
    read_progress,
    resume,
)
from floorcast.webhooks.sender import ClientSender
from tests.http.servers import ACME, ApiHarness
from tests.virtual_time import VirtualLoop, run

__all__ = [
    "HEADERS",
    "SECRET",
    "Answer",
    "Post",
    "Receiver",
    "WebhookRunner",
    "add_alerts",
    "http_client",
    "make_webhook",
    "ok",
    "publish_alert",
    "raw",
    "running_receiver",
    "send_requests",
    "status",
    "stored_progress",
    "write_command",
]

HEADERS = {"content-type": "text/plain"}
SECRET = "whsec_" + "QUFB" * 10
Answer = Callable[["Post", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Post:
    """A request that a receiver got."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return the CloudEvents in the body, which is a batch."""
        found: list[dict[str, Any]] = msgspec.json.decode(self.body)
        return found

    def verify(self, secret: str = SECRET) -> None:
        """Check that the Standard Webhooks library makes the same signature."""
        head = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}"
        signer = Verifier(secret)
        made = signer.sign(
            self.headers["webhook-id"], _at(self.headers["webhook-timestamp"]), self.body.decode()
        )
        assert made in self.headers["webhook-signature"].split(" "), head


def _at(timestamp: str) -> datetime:
    return datetime.fromtimestamp(int(timestamp), UTC)


def status(code: int, headers: str = "", body: bytes = b"") -> Answer:
    """Return a response function that sends this status."""

    async def answer(_post: Post, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {code} X\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        writer.write(head.encode() + body)

    return answer


ok = status(204)


@dataclass
class Receiver:
    """A receiver whose responses ``answer`` sends. ``posts`` has all requests."""

    port: int = 0
    answer: Answer = ok
    posts: list[Post] = field(default_factory=list)
    connections: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The receiver's URL."""
        return f"http://127.0.0.1:{self.port}/hook?a=1"

    def ids(self) -> list[str]:
        """Return the ids of all events, in order of arrival."""
        return [event["id"] for post in self.posts for event in post.events]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection's requests."""
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers["content-length"]))
                post = Post(head[0].split(" ")[1], headers, body)
                self.posts.append(post)
                await self.answer(post, writer)
        writer.close()


@asynccontextmanager
async def running_receiver(answer: Answer = ok) -> AsyncIterator[Receiver]:
    """Run a receiver on loopback until the end of the block."""
    receiver = Receiver(answer=answer)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, limit=1 << 22)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for writer in receiver.writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def make_webhook(url: str, name: str = "ops", **more: Any) -> Webhook:  # noqa: ANN401 — members of Webhook
    """Return a webhook with the usual members for tests. ``more`` overrides them."""
    given: dict[str, Any] = {
        "send": ("agent", "interaction"),
        "filter": WebhookFilter(),
        "secret": SECRET,
        "allow_private": True,
    }
    return Webhook(name=name, url=url, **(given | more))


class WebhookRunner:
    """Runs a client's webhooks during a block, and stops them normally at its end."""

    def __init__(
        self,
        harness: ApiHarness,
        *webhooks: Webhook,
        http: HttpTuning | None = None,
        check_interval: float = 1.0,
    ) -> None:
        self.harness = harness
        self.webhooks: Sequence[Webhook] = webhooks
        clock = lambda: harness.loop.elapsed  # noqa: E731 — a function would be longer
        lease_tuning = LeaseTuning(
            ttl=12 * check_interval, margin=4 * check_interval, renewal=3 * check_interval
        )
        self.clock_error = 0.0
        """Seconds by which the wall clock is ahead."""
        self.lease = Lease(harness.kv, f"webhooks.{ACME}", "test", clock, lease_tuning)
        tuning = DeliveryTuning(http=http or HttpTuning(), check_interval=check_interval)
        resources = DeliveryResources(
            harness.server, self._wall_clock, tls_context, tuning, lambda: 1.0
        )
        self.sender = ClientSender(ACME, harness.kv, self.lease, resources, lambda: self.webhooks)
        self._task: asyncio.Task[None] | None = None

    def _wall_clock(self) -> int:
        return self.harness.loop.now() + int(self.clock_error * TICKS_PER_SECOND)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.lease.run(self.sender.run))
        await self.harness.loop.passing(1.5)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        await cancel_all([self._task])


def stored_progress(harness: ApiHarness, name: str = "ops") -> Progress:
    """Return a webhook's stored progress."""
    return read_progress(harness.kv.get(BUCKET, progress_key(ACME, name)))


async def write_command(harness: ApiHarness, token: str | None) -> None:
    """Write the progress that ``floorcast webhook resume`` writes.

    An empty token stands for ``floorcast webhook skip``.
    """
    await harness.kv.write([progress_item(ACME, "ops", resume(stored_progress(harness), token))])


def http_client(
    url: str,
    tls: Callable[[], ssl.SSLContext] = tls_context,
    *,
    private: bool = True,
    **tuning: Any,  # noqa: ANN401 — members of HttpTuning
) -> HttpClient:
    """Return a client that sends requests to a URL, by default with private addresses allowed."""
    return HttpClient(
        urlsplit(url),
        tls,
        allow_private=private,
        tuning=HttpTuning(**tuning),
    )


def send_requests(answer: Answer, times: int = 1) -> tuple[list[Reply], Receiver]:
    """Send ``times`` requests to a receiver. Returns the replies and the receiver."""

    async def scenario(_loop: VirtualLoop) -> tuple[list[Reply], Receiver]:
        async with running_receiver(answer) as receiver:
            one = http_client(receiver.url)
            replies = [await one.post(HEADERS, b"body") for _ in range(times)]
            one.close()
            return replies, receiver

    return run(scenario)


def raw(*pieces: bytes, end: bool = True) -> Answer:
    """Return a response function that sends these bytes."""

    async def answer(_post: Post, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if end:
            writer.close()

    return answer


def add_alerts(harness: ApiHarness) -> None:
    """Enable the alerts feed on ACME's floor."""
    feed = Feed(ACME, "alerts", harness.rings)
    feed.switched_on = True
    floor = harness.floors[ACME]
    floor.feeds = {**floor.feeds, "alerts": feed}


def publish_alert(harness: ApiHarness, to: list[str], status: str = "firing") -> str:
    """Append an entry with an alert for these webhooks. Returns its eventId."""
    number = harness.log.take(ACME, harness.loop.now())
    recorded_at = harness.log.head(ACME).recorded_at
    event_id = event_id_maker(ACME, recorded_at, number)(0)
    example = EXAMPLES["alerts"]["data"]
    assert isinstance(example, dict)
    line = msgspec.json.encode(example | {"eventId": event_id, "to": to, "status": status})
    for name, feed in harness.floors[ACME].feeds.items():
        records = [(position(number, 0), ("", 10, 20), line)] if name == "alerts" else []
        feed.publish(records, end_of_entry(number), recorded_at)
    harness.floors[ACME].last_folded = number
    return event_id
