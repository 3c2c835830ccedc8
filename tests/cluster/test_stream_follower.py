"""Tests that follow a stream in partitions, with stalled replicas, and with newer nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from floorcast.cluster.jetstream_log import ClusterLogTuning
from floorcast.cluster.log_messages import ID, KIND, subject
from floorcast.cluster.ordered_consumer import Message
from floorcast.cluster.stream_follower import Durable, FollowerTuning, StreamFollower
from floorcast.log.data_folder import DataFolder
from floorcast.log.log_file import StreamPosition
from tests.cluster.cluster_nodes import (
    STREAM,
    STREAMS,
    Cluster,
    connected,
    follow,
    new_cluster,
    page,
    sms,
)
from tests.log.batches import Clock, batch
from tests.log.stamped import StampedLog
from tests.nats_servers import NatsServers, pause, wait_until
from tests.real.nodes import NodeHarness
from tests.real.server import EVENTS
from tests.real.sites import ACME, KEYS, event, ndjson
from tests.search import tries

KEY = {"Authorization": f"Bearer {KEYS['ACME']}", "Content-Type": "application/x-ndjson"}


async def leader_of(url: str) -> str:
    """Return the server that leads the client's stream."""
    async with connected(url) as link:
        info = await link.api(f"STREAM.INFO.{STREAM}")
        name: str = info["cluster"]["leader"]
        return name


def entries(node: NodeHarness) -> int:
    """Return a node's position in the client's log."""
    return node.node.server.log.head(ACME).number


def send(node: NodeHarness, body: bytes) -> None:
    """Send events until a node accepts them."""
    while node.ask("POST", "/ingest/v1/events", content=body, headers=KEY).status_code != 200:
        node.run(pause())


@pytest.fixture
def three_server_cluster(nats_cluster: NatsServers) -> Iterator[Cluster]:
    """Yield a cluster without nodes, on three servers that can be cut off."""
    with new_cluster(nats_cluster) as one:
        yield one
    nats_cluster.mend()


def test_token_from_a_node_that_is_ahead_gets_503_until_caught_up(
    three_server_cluster: Cluster, nats_cluster: NatsServers
) -> None:
    """A node that was cut off responds with 503, and later continues without repeating anything."""
    cluster = three_server_cluster
    first = cluster.open(replicas=3)
    leader = nats_cluster.named(first.run(leader_of(cluster.url)))
    cut_off = next(one for one in nats_cluster.servers if one is not leader)
    ahead = cluster.open(log=nats_cluster.only(cluster.url, leader), replicas=3)
    behind = cluster.open(log=nats_cluster.only(cluster.url, cut_off), replicas=3)
    session = ahead.login()
    begin = page(ahead, session, "")["token"]
    send(ahead, sms(*range(5)))
    seen, token = follow(behind, session, begin, 5)
    nats_cluster.cut_off(cut_off)
    send(ahead, sms("x", "y"))
    more, newer = follow(ahead, session, token, 2)
    answer = behind.ask("POST", EVENTS, session, json={"token": newer})
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    nats_cluster.mend()
    behind.run(wait_until(lambda: entries(behind) == entries(ahead)))
    answer = behind.ask("POST", EVENTS, session, json={"token": newer, "count": 1, "wait": 0})
    assert answer.json()["events"] == []
    assert follow(behind, session, begin, 7)[0] == [*seen, *more]


def test_consumer_on_a_stalled_replica_is_moved(nats_server: NatsServers, tmp_path: Path) -> None:
    """The replica sends heartbeats but no messages. The node reports its lag and recovers."""
    tuning = ClusterLogTuning(follower=FollowerTuning(max_stalled_checks=2))

    async def work() -> None:
        url, clock = nats_server.account(), Clock()
        folders = [DataFolder(tmp_path / name) for name in ("one", "other")]
        one = await StampedLog.open(url, folders[0], clock, tuning)
        other = await StampedLog.open(url, folders[1], clock, tuning)
        until = {"pause_until": "2100-01-01T00:00:00Z"}
        names: list[str] = []
        while len(names) < len(folders):
            names = (await one.link.api(f"CONSUMER.NAMES.{STREAM}"))["consumers"]
        for name in names:
            await one.link.api(f"CONSUMER.PAUSE.{STREAM}.{name}", until)
        with capture_logs() as logs:
            appending = asyncio.create_task(one.append(batch(ACME, ["a"])))
            await wait_until(lambda: any(each.lag for each in other.followers))
            assert (await appending).number == 1
            await wait_until(lambda: other.head(ACME).number == 1)
        assert "replica_stands_still" in [each["event"] for each in logs]
        await wait_until(lambda: not any(each.lag for each in other.followers))
        await other.close()
        await one.close()

    asyncio.run(asyncio.wait_for(work(), 60))


@pytest.fixture
def cluster(nats_server: NatsServers) -> Iterator[Cluster]:
    """Yield a cluster without nodes."""
    with new_cluster(nats_server) as one:
        yield one


def test_older_node_stores_entries_of_a_newer_release(cluster: Cluster) -> None:
    """New event types, states and entries and invalid data are stored, but not fed or counted.

    Two nodes agree on every number, also after repeated events and after a restart.
    """
    one, other = cluster.open(), cluster.open()
    session = one.login()
    begin = page(one, session, "")["token"]
    newer: list[dict[str, Any]] = [
        event("call.whisper", "w", to=7),
        event("agent.state", "d", agent="ann", eventType="DREAMING"),
    ]
    known = event("sms.attempt", "k", service="Sales", eventType="Attempt")
    mixed = ndjson([newer[0], known, newer[1]])

    async def publish(kind: str, name: str, payload: bytes) -> None:
        async with connected(cluster.url) as link:
            await link.publish(subject(ACME, STREAMS), payload, {KIND: kind, ID: name})

    one.run(publish("events", "1", mixed))
    one.run(publish("forecast", "2", b"\x00\xff"))
    one.run(publish("events", "3", b"garbage\n\n\xff\xfe"))
    one.run(publish("site", "4", b'{"feeds": ["hologram"]}'))
    one.run(publish("events", "5", mixed))
    one.take(sms("k", "z"))
    for node in (one, other):
        events, _ = follow(node, session, begin, 2)
        assert len(events) == 2
        assert node.ask("GET", "/readyz").status_code == 200
    assert entries(one) == entries(other) == 6
    logs = [node.node.server.log for node in (one, other)]
    assert logs[0].read(ACME, 0, 20) == logs[1].read(ACME, 0, 20)
    assert [each.kind for each in logs[0].read(ACME, 1, 20)] == [
        "events", "other", "events", "site", "events",
    ]  # fmt: skip
    other.close()
    other.open()
    assert other.take(sms("k", "z"))["duplicates"] == 2
    assert len(follow(other, session, begin, 2)[0]) == 2


class SlowCopy:
    """A copy that stores nothing until it is told to."""

    epoch = 0

    def __init__(self) -> None:
        self.stored: list[Durable] = []

    async def store(self, _position: StreamPosition, _message: Message, _epoch: int) -> Durable:
        """Accept a message."""
        self.stored.append(asyncio.get_running_loop().create_future())
        return self.stored[-1]


@settings(max_examples=tries(40))
@given(st.lists(st.integers(0, 60), max_size=30), st.integers(1, 5))
def test_the_messages_in_flight_are_limited_by_number_and_size(sizes: list[int], most: int) -> None:
    """Large messages, decoded, would take much memory. One that is larger than the limit passes."""

    async def work() -> None:
        copy = SlowCopy()
        tuning = FollowerTuning(max_in_flight=most, max_in_flight_bytes=100)
        no_link: Any = None
        follower = StreamFollower(no_link, StreamPosition("s", 0), "", (), copy, tuning)

        async def follow_all() -> None:
            for seq, size in enumerate(sizes, 1):
                message = Message(subject(ACME, STREAMS), {}, b"x" * size, seq, 0, 0)
                await follower._store(message, 0)  # noqa: SLF001 — its source needs a NATS server

        following = asyncio.create_task(follow_all())
        for done in range(len(sizes)):
            for _ in range(len(sizes) + 3):
                await asyncio.sleep(0)
            in_flight = sizes[done : len(copy.stored)]
            assert in_flight
            before_last = in_flight[:-1]  # it was accepted while these were in flight
            assert len(before_last) <= most
            assert sum(before_last) <= 100 or len(before_last) == 1
            if len(copy.stored) < len(sizes):
                assert len(in_flight) > most or sum(in_flight) > 100
            copy.stored[done].set_result(None)
        await following
        await asyncio.sleep(0)
        assert follower.seq == len(sizes)

    asyncio.run(work())
