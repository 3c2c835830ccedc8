"""Tests of the JetStream adapter with several nodes and failing servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from floorcast.cluster.jetstream_kv import JetStreamKeyValueStore, KvTuning
from floorcast.cluster.link import NatsLink
from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.model.errors import SettingError, Unavailable
from tests.nats_servers import SOON, NatsServers, pause, wait_until

STREAM = "KV_FLOORCAST"


@asynccontextmanager
async def node(
    url: str, replicas: int = 1, tuning: KvTuning | None = None
) -> AsyncIterator[tuple[JetStreamKeyValueStore, NatsLink]]:
    """Yield one node's store and its link."""
    link = await NatsLink.open(url, "test")
    try:
        kv = await JetStreamKeyValueStore.open(link, replicas, tuning=tuning)
        yield kv, link
        await kv.close()
    finally:
        await link.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine with a time limit."""
    asyncio.run(asyncio.wait_for(work, 2 * SOON))


async def try_increment(kv: KeyValueStore, key: str = "count") -> bool:
    """Increment a counter from its current value. Returns whether no other node was faster."""
    raw = kv.get("site", key)
    try:
        await kv.write(
            [Item("site", key, str(int(raw or b"0") + 1).encode())], [Item("site", key, raw)]
        )
    except Conflict:
        return False
    return True


def is_current(kv: JetStreamKeyValueStore) -> bool:
    """Return whether the store may be used to admit users."""
    try:
        kv.check_current()
    except Unavailable:
        return False
    return True


def test_writes_reach_all_nodes(nats_server: NatsServers) -> None:
    """Puts, deletions and large values reach the other nodes, including one that starts later."""

    async def work() -> None:
        url = nats_server.account()
        async with node(url) as (one, _), node(url) as (two, _):
            await one.write([Item("site", "1", b"x"), Item("site", "2", b"y" * 700_000)])
            await two.write([Item("site", "3", b"z"), Item("site", "1", None)])
            expected = {"2": b"y" * 700_000, "3": b"z"}
            await wait_until(lambda: one.items("site") == two.items("site") == expected)
            async with node(url) as (three, _):
                assert three.items("site") == expected

    run(work())


def test_one_of_several_conflicting_writes_succeeds(nats_server: NatsServers) -> None:
    """Any number of nodes may try at once. The losers already have the winner's value."""

    async def work() -> None:
        url = nats_server.account()
        async with node(url) as (one, _), node(url) as (two, _):
            for round_ in range(1, 11):
                tries = await asyncio.gather(*(try_increment(which) for which in (one, two) * 5))
                assert tries.count(True) == 1
                assert b"%d" % round_ in {one.get("site", "count"), two.get("site", "count")}
                await wait_until(lambda: one.get("site", "count") == two.get("site", "count"))

    run(work())


def test_write_depending_on_a_concurrently_changed_key_is_refused(
    nats_server: NatsServers,
) -> None:
    """Of two writes that each depend on the other's key, at most one succeeds."""

    async def work() -> None:
        url = nats_server.account()
        async with node(url) as (one, _), node(url) as (two, _):
            for number in range(20):
                left, right = f"left-{number}", f"right-{number}"
                nothing = [Item("site", left, None), Item("site", right, None)]
                outcomes = await asyncio.gather(
                    one.write([Item("site", left, b"1")], nothing[1:]),
                    two.write([Item("site", right, b"1")], nothing[:1]),
                    return_exceptions=True,
                )
                assert any(isinstance(outcome, Conflict) for outcome in outcomes)
                assert all(outcome is None or isinstance(outcome, Conflict) for outcome in outcomes)

    run(work())


def test_writes_are_atomic_on_every_node(nats_server: NatsServers) -> None:
    """Keys that are always written together are always equal in every node's copy."""

    async def work() -> None:
        url = nats_server.account()
        async with node(url) as (one, _), node(url) as (two, _):
            halves = []

            def look(_key: str, _value: bytes | None) -> None:
                keys = two.get("site", "a"), two.get("site", "b"), two.get("more", "c")
                halves.extend([keys] if len(set(keys)) > 1 else [])

            two.listen("site", look)
            two.listen("more", look)
            for number in range(200):
                value = b"%d" % number
                await one.write(
                    [Item("site", "a", value), Item("more", "c", value), Item("site", "b", value)]
                )
            await wait_until(lambda: two.get("site", "a") == b"199")
            assert halves == []

    run(work())


def test_expired_deletion_causes_no_conflict(
    nats_server: NatsServers,
) -> None:
    """A key that was deleted long ago still counts as empty."""

    async def work() -> None:
        tuning = KvTuning(tombstone=1)  # seconds; an hour otherwise
        async with node(nats_server.account(), tuning=tuning) as (kv, link):
            await kv.write([Item("site", "1", b"x")])
            await kv.write([Item("site", "1", None)])

            async def forgotten() -> None:
                filters = {"subjects_filter": "$KV.FLOORCAST.site.>"}
                while (await link.api(f"STREAM.INFO.{STREAM}", filters))["state"].get("subjects"):
                    await pause()

            await asyncio.wait_for(forgotten(), SOON)
            await kv.write([Item("site", "1", b"y")], [Item("site", "1", None)])
            assert kv.get("site", "1") == b"y"

    run(work())


def test_recent_deletion_causes_no_conflict(nats_server: NatsServers) -> None:
    """The write succeeds on any node, with other conditions, too."""

    async def work() -> None:
        url = nats_server.account()
        async with node(url) as (one, _), node(url) as (two, _):
            for number in range(20):
                await one.write([Item("site", "1", b"x"), Item("site", "2", b"%d" % number)])
                await one.write([Item("site", "1", None)])
                await wait_until(lambda: two.items("site") == one.items("site"))
                seen = [Item("site", "1", None), Item("site", "2", b"%d" % number)]
                await two.write([Item("site", "1", b"y")], seen)

    run(work())


def test_site_with_5000_clients_is_written(nats_server: NatsServers) -> None:
    """The write has conditions on all clients. A change by another node is a conflict."""

    async def work() -> None:
        url = nats_server.account()
        async with node(url) as (one, _), node(url) as (two, _):
            clients = [str(number) for number in range(5000)]
            nothing = [Item(bucket, key, None) for key in clients for bucket in ("site", "hand")]
            wanted = [Item("site", key, b"x") for key in clients]
            await one.write([*wanted, Item("file", "mark", b"1")], nothing)
            assert len(one.items("site")) == 5000
            await wait_until(lambda: two.get("file", "mark") == b"1")
            assert two.items("site") == one.items("site")
            await two.write([Item("hand", "4999", b"y")])
            with pytest.raises(Conflict):
                await one.write([Item("site", key, b"z") for key in clients], nothing)
            assert (one.get("file", "mark"), one.get("hand", "4999")) == (b"1", b"y")

    run(work())


def test_stream_without_batch_support_is_refused(nats_server: NatsServers) -> None:
    """A stream created by a server before 2.12 is refused, too."""

    async def work() -> None:
        link = await NatsLink.open(nats_server.account(), "test")
        await link.api(f"STREAM.CREATE.{STREAM}", {"name": STREAM, "subjects": ["$KV.FLOORCAST.>"]})
        with pytest.raises(SettingError, match=r"nats-server 2\.12"):
            await JetStreamKeyValueStore.open(link, 1)
        await link.close()

    run(work())


def test_node_moves_to_another_server_when_its_server_dies(nats_cluster: NatsServers) -> None:
    """The node connects to another server and misses nothing."""

    async def work() -> None:
        url = nats_cluster.account()
        async with node(url, 3) as (one, _), node(url, 3) as (two, link):
            assert link.client.connected_url is not None
            port = link.client.connected_url.port
            next(server for server in nats_cluster.servers if server.port == port).kill()
            for number in range(20):
                await one.write([Item("site", str(number), b"x")])
            await wait_until(lambda: one.items("site") == two.items("site"))
            await two.write([Item("site", "1", None)])
            await wait_until(lambda: one.items("site") == two.items("site"))

    run(work())


def test_killed_leader_loses_and_repeats_no_write(
    nats_cluster: NatsServers,
) -> None:
    """Two nodes increment a counter: each success counts once, and no write is refused."""

    async def work() -> None:
        url = nats_cluster.account()
        async with node(url, 3) as (one, link), node(url, 3) as (two, _):
            told = {"done": 0, "unknown": 0}
            over = asyncio.Event()

            async def raise_it(kv: JetStreamKeyValueStore) -> None:
                while not over.is_set():
                    try:
                        done = await try_increment(kv)
                        told["done"] += done
                    except Unavailable:
                        told["unknown"] += 1

            raising = [asyncio.create_task(raise_it(kv)) for kv in (one, two)]
            await wait_until(lambda: told["done"] > 50)
            info = await link.api(f"STREAM.INFO.{STREAM}")
            nats_cluster.named(info["cluster"]["leader"]).kill()
            at_the_kill = told["done"]
            await wait_until(lambda: told["done"] > at_the_kill + 50)
            over.set()
            await asyncio.gather(*raising)
            await wait_until(lambda: one.get("site", "count") == two.get("site", "count"))
            count = int(one.get("site", "count") or b"0")
            assert told["done"] <= count <= told["done"] + told["unknown"]

    run(work())


def test_reads_continue_and_writes_fail_without_a_quorum(
    nats_cluster: NatsServers,
) -> None:
    """Without a quorum, admission soon stops.

    Once there is one again, writes resume on their own.
    """

    async def work() -> None:
        tuning = KvTuning(patience=4.0, max_unconfirmed=6.0)
        async with node(nats_cluster.account(), 3, tuning) as (kv, link):
            kv.check_current()
            await kv.write([Item("site", "1", b"x")])
            for server in nats_cluster.servers[:2]:
                server.kill()
            with pytest.raises(Unavailable):
                await kv.write([Item("site", "1", b"y")])
            assert kv.get("site", "1") in {b"x", b"y"}
            await wait_until(lambda: not link.quorum)
            await wait_until(lambda: not is_current(kv))
            await asyncio.to_thread(nats_cluster.start)
            await wait_until(lambda: link.quorum)
            await kv.write([Item("site", "1", b"z")])
            assert kv.get("site", "1") == b"z"
            await wait_until(lambda: is_current(kv))

    run(work())
