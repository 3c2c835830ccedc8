"""One cluster's nodes in this process, on one event loop, and changes to their streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from nats.aio.msg import Msg

from floorcast.cluster.kv_copy import INTERNAL
from floorcast.cluster.kv_watch import PARTS
from floorcast.cluster.kv_watch import subject as kv_subject
from floorcast.cluster.link import NatsLink
from floorcast.cluster.log_messages import KIND, TIME, stream_name, stream_number
from floorcast.config.settings import Settings
from floorcast.model.token import TICKS_PER_SECOND, system_now
from tests.nats_servers import NatsServers, wait_until
from tests.real.nodes import Clock, NodeHarness, temporary_folder
from tests.real.server import AGENTS, EVENTS
from tests.real.sites import ACME, event, ndjson

__all__ = ["STREAMS", "Cluster", "follow", "new_cluster", "page", "refill_stream", "sms"]

STREAMS = 2


class SkewedClock(Clock):
    """The machine's clock, off by ``ticks``."""

    def __call__(self) -> int:
        return system_now() + self.ticks


class Cluster:
    """Nodes of one cluster on one event loop."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.runner = asyncio.Runner()
        self.nodes: list[NodeHarness] = []
        self._folder = folder

    def open(self, *, clock_skew: int = 0, keeps: bool = True, **more: object) -> NodeHarness:
        """Start another node, whose clock is off by this many seconds."""
        home = self._folder / f"node{len(self.nodes)}"
        home.mkdir()
        clock = SkewedClock(clock_skew * TICKS_PER_SECOND)
        ours: dict[str, Any] = {"log": self.url, "streams": STREAMS, "replicas": 1, **more}
        self.nodes.append(NodeHarness(home, clock, keeps=keeps, runner=self.runner, **ours))
        return self.nodes[-1]

    def close(self) -> None:
        for node in self.nodes:
            node.end()
        self.runner.close()

    @property
    def settings(self) -> Settings:
        """Return the options of a command."""
        return Settings(log=self.url, streams=STREAMS, replicas=1)


@contextmanager
def new_cluster(servers: NatsServers) -> Iterator[Cluster]:
    """Yield a cluster without nodes, in its own account."""
    with temporary_folder() as folder:
        one = Cluster(folder, servers.account())
        try:
            yield one
        finally:
            one.close()


def sms(*names: object) -> bytes:
    """Return messages with these ids."""
    told = [event("sms.attempt", name, service="Sales", eventType="Attempt") for name in names]
    return ndjson(told)


def page(node: NodeHarness, session: str, token: str, path: str = EVENTS) -> dict[str, Any]:
    """Return one page of a feed."""
    answer = node.ask("POST", path, session, json={"token": token})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def follow(
    node: NodeHarness, session: str, token: str, count: int, path: str = EVENTS
) -> tuple[list[dict[str, Any]], str]:
    """Wait for the next events of a feed after a token. Returns them and the new token."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        some = page(node, session, token, path)
        token = some["token"]
        found += some["agentEvent" if path == AGENTS else "events"]
    assert len(found) == count
    return found, token


class Stored(NamedTuple):
    """A message of a stream."""

    subject: str
    headers: dict[str, str]
    payload: bytes


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[NatsLink]:
    """Yield a connection for the test."""
    link = await NatsLink.open(url, "test")
    try:
        yield link
    finally:
        await link.close()


STREAM = stream_name(stream_number(ACME, STREAMS))


PLAIN = {"Nats-Msg-Id", "Nats-TTL", "KV-Operation", KIND, TIME, PARTS}


async def lose_messages(url: str, count: int, stream: str = STREAM) -> list[Stored]:
    """Remove a stream's last messages, as an old disk image would, and return them."""
    async with connected(url) as link:
        config = (await link.api(f"STREAM.INFO.{stream}"))["config"]
        stored = await read_stream(link, stream)
        await link.api(f"STREAM.DELETE.{stream}")
        kept = stored[: len(stored) - count]
        config["metadata"] = {
            key: value for key, value in config["metadata"].items() if not key.startswith("_nats")
        }
        await link.api(f"STREAM.CREATE.{stream}", config)
        for one in kept:
            headers = {name: one.headers[name] for name in one.headers if name in PLAIN}
            await link.publish(one.subject, one.payload, headers)
    return stored[len(kept) :]


async def refill_stream(url: str, stream: str) -> None:
    """Remove a stream's last messages, and add others until it is longer than before."""
    async with connected(url) as link:
        last = (await link.api(f"STREAM.INFO.{stream}"))["state"]["last_seq"]
        await lose_messages(url, 3, stream)
        ack = None
        while ack is None or ack.seq <= last:
            ack = await link.publish(kv_subject(INTERNAL, "refilled"), b"", {})


async def delete_streams(url: str, *streams: str) -> None:
    """Delete streams."""
    async with connected(url) as link:
        for stream in streams:
            await link.api(f"STREAM.DELETE.{stream}")


async def read_stream(link: NatsLink, stream: str) -> list[Stored]:
    """Return all messages of a stream."""
    found: list[Stored] = []
    last = (await link.api(f"STREAM.INFO.{stream}"))["state"]["messages"]
    done = asyncio.Event()

    async def take(message: Msg) -> None:
        headers = dict(message.headers or {})
        found.append(Stored(message.subject, headers, message.data))
        if len(found) == last:
            done.set()

    if not last:
        return []
    inbox = link.client.new_inbox()
    subscription = await link.client.subscribe(inbox, cb=take)
    config = {"name": "reader", "deliver_subject": inbox, "ack_policy": "none"}
    wanted = {"stream_name": stream, "config": config}
    await link.api(f"CONSUMER.CREATE.{stream}.reader", wanted)
    await asyncio.wait_for(done.wait(), 10)
    await link.api(f"CONSUMER.DELETE.{stream}.reader")
    await subscription.unsubscribe()
    return found


async def wait_until_halted(node: NodeHarness) -> str:
    """Wait until a node detects a loss, and return the reason why it is not ready."""
    log = node.node.server.log
    await wait_until(lambda: not log.healthy and "repair" in log.stall_reason)
    return log.stall_reason
