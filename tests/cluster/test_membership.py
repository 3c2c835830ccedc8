"""Tests of a cluster's nodes in one process, with a real NATS server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import structs

from floorcast.cluster.link import NatsLink
from floorcast.cluster.log_messages import stream_name
from floorcast.cluster.peer_messages import Peer
from floorcast.cluster.peers import query_peers
from floorcast.config.settings import Settings
from floorcast.model.errors import SettingError
from floorcast.model.token import system_now, to_ms
from floorcast.server import node as a_node
from floorcast.server.node import Node
from tests.cluster.cluster_nodes import STREAMS, Cluster, follow, new_cluster, page, sms
from tests.nats_servers import SOON, NatsServers, pause, wait_until
from tests.real.nodes import NodeHarness, temporary_folder
from tests.real.server import AGENTS, EVENTS
from tests.real.sites import ACME, CHILD
from tests.search import tries
from tests.verify.random_days import agent_events, call_events, campaign_events, message_events

STATISTICS = (
    "/realtime/campaign/stats",
    "/realtime/service/agents/averages",
    "/realtime/service/agent/stats",
    "/realtime/service/agent/stats/ex",
    "/realtime/service/agents/status",
    "/realtime/service/calls/status",
    "/realtime/service/liveConnects",
    "/realtime/service/stats",
)


@pytest.fixture
def cluster(nats_server: NatsServers) -> Iterator[Cluster]:
    """Yield a cluster without nodes."""
    with new_cluster(nats_server) as one:
        yield one


def test_accepted_events_reach_all_nodes(cluster: Cluster) -> None:
    """All nodes have the same bytes, ids and tokens, and detect the same duplicates."""
    one, other = cluster.open(), cluster.open()
    session = one.login()
    begin = page(one, session, "")["token"]
    assert one.take(sms("a", "b"))["accepted"] == 2
    assert other.take(sms("b", "c")) == {"accepted": 1, "duplicates": 1, "rejected": []}
    seen, token = follow(other, session, begin, 3)
    assert follow(one, session, begin, 3)[0] == seen
    assert one.take(sms("d"))["accepted"] == 1
    fourth, _ = follow(one, session, token, 1)
    assert follow(other, session, seen[2]["eventId"], 1)[0] == fourth


def test_wrong_machine_clocks_have_no_effect(cluster: Cluster) -> None:
    """Order, time and tokens are the cluster's.

    No node takes another node's token for a future one.
    """
    nodes = [cluster.open(clock_skew=seconds) for seconds in (0, 420, -600)]
    session = nodes[0].login()
    begin = page(nodes[1], session, "")["token"]
    for number in range(12):
        node = nodes[number % 3]
        assert node.take(sms(number))["accepted"] == 1
        now = to_ms(node.node.server.now())
        assert abs(now - to_ms(system_now())) < 60_000
    (seen, token), *others = [follow(node, session, begin, 12) for node in nodes]
    assert [events for events, _ in others] == [seen, seen]
    stamps = [each["timestamp"] for each in seen]
    assert stamps == sorted(stamps)
    for node in nodes:
        assert node.take(sms("late", str(node.data)))["rejected"] == []
    for theirs in (token, *(other for _, other in others)):
        for node in nodes:
            follow(node, session, theirs, 4)


def test_node_serves_only_its_assigned_clients(cluster: Cluster) -> None:
    """The node follows only the streams of its clients.

    Requests for other clients are redirected.
    """
    everything, child_only = cluster.open(), cluster.open(clients=(CHILD,))
    session = everything.login()
    everything.take(sms("a"))
    answer = child_only.ask("POST", EVENTS, session, json={})
    assert answer.status_code == 503
    assert "use another node" in answer.json()["message"]
    assert child_only.ask("POST", STATISTICS[-1], session, json={}).status_code == 503
    assert list(child_only.node.server.floors) == [CHILD]
    everything.take(sms("c"), "CHILD")
    childs = child_only.login(client="CHILD")
    assert child_only.take(sms("c"), "CHILD")["duplicates"] == 1
    assert child_only.ask("POST", STATISTICS[-1], childs, json={}).status_code == 200


def test_new_node_starts_from_a_copy_of_another_node(cluster: Cluster) -> None:
    """The streams no longer reach back. The same works for a node that was away for too long."""
    old, away = cluster.open(), cluster.open()
    session = old.login()
    begin = page(old, session, "")["token"]
    old.take(sms(*range(100)))
    away.close()
    old.take(sms(*range(100, 150)))
    seen, _ = follow(old, session, begin, 150)
    cluster.runner.run(expire_messages(cluster.url))
    new = cluster.open()
    away.open()
    for late in (new, away):
        assert follow(late, session, begin, 150)[0] == seen
        assert late.take(sms(7, 120))["duplicates"] == 2


def test_embedded_folder_is_refused_by_a_cluster_node(cluster: Cluster) -> None:
    """The folder is refused and left unchanged, whatever other nodes have."""
    cluster.open().take(sms("a"))
    embedded = cluster.open(log="embedded")
    embedded.take(sms("kept"))
    embedded.close()
    before = {file.name: file.read_bytes() for file in embedded.data.glob("*.db")}
    settings = Settings(data=embedded.data, log=cluster.url, streams=STREAMS, replicas=1)

    async def begin() -> None:
        async with Node(settings, system_now):
            pass

    with pytest.raises(SettingError, match="holds an embedded log"):
        embedded.run(begin())
    assert {file.name: file.read_bytes() for file in embedded.data.glob("*.db")} == before
    embedded.open()
    assert embedded.take(sms("kept"))["duplicates"] == 1


async def expire_messages(url: str) -> None:
    """Remove the messages of the streams, as retention does."""
    link = await NatsLink.open(url, "test")
    for number in range(STREAMS):
        name = stream_name(number)
        info = await link.api(f"STREAM.INFO.{name}")
        config = {**info["config"], "max_age": 100_000_000, "duplicate_window": 100_000_000}
        await link.api(f"STREAM.UPDATE.{name}", config)
        async with asyncio.timeout(SOON):
            while (await link.api(f"STREAM.INFO.{name}"))["state"]["messages"]:
                await pause()
    await link.close()


def test_outdated_site_from_a_late_node_is_replaced(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The floors of all nodes end with the version in the key-value store."""
    monkeypatch.setattr(a_node, "SITE_SYNC_SECONDS", 0.05)
    one, other = cluster.open(), cluster.open()
    right = other.node.server.floors[ACME].floor.state.config
    old = structs.replace(right, services=right.services[:1])
    one.run(one.node.server.log.append_site(ACME, msgspec.json.encode(old)))

    def agreed() -> bool:
        floors = [each.node.server.floors[ACME].floor for each in (one, other)]
        return all(floor.state.entry == 3 and floor.state.config == right for floor in floors)

    one.run(wait_until(agreed))


def _alike(peers: list[Peer]) -> bool:
    return len({tuple(each.seq for each in peer.following) for peer in peers}) == 1


def test_nodes_exchange_status_reports(cluster: Cluster) -> None:
    """A node's report contains all members, positions and problems.

    Its metrics have only its own.
    """
    one, other = cluster.open(node="one"), cluster.open(node="other")
    one.take(sms("a"))

    async def ask() -> list[Peer]:
        link = await NatsLink.open(cluster.url, "test")
        async with asyncio.timeout(SOON):
            while not _alike(peers := await query_peers(link)):
                await pause()  # the other node is a moment late
        await link.close()
        return peers

    peers = one.run(ask())
    assert [(peer.name, peer.ready, peer.clients) for peer in peers] == [
        ("one", True, ""),
        ("other", True, ""),
    ]
    assert peers[0].log == peers[1].log
    assert [each.seq for each in peers[0].following] == [each.seq for each in peers[1].following]
    assert all(each.lag == 0 for peer in peers for each in peer.following)
    metrics = other.ask("GET", "/metrics").text
    assert "floorcast_cluster_connected 1.0" in metrics
    assert "floorcast_cluster_quorum 1.0" in metrics
    assert 'floorcast_cluster_lag_messages{stream="FLOORCAST_0"} 0.0' in metrics
    assert 'floorcast_cluster_stream_leader{server="nats0",stream="FLOORCAST_0"} 1.0' in metrics


Told = list[tuple[str, dict[str, Any]]]
LAST: Told = [  # a feed without any event would wait
    ("sms.attempt", {"service": "Sales", "eventType": "Attempt"}),
    ("agent.state", {"agent": "ANN", "eventType": "LOGOFF"}),
]

events_told = st.lists(
    call_events() | call_events() | agent_events() | agent_events() | campaign_events()
    | message_events(),
    max_size=12,
)  # fmt: skip


@hypothesis_settings(max_examples=tries(6), phases=[Phase.generate])
@given(st.lists(st.tuples(events_told, st.integers(0, 20)), min_size=1, max_size=6))
def test_memory_files_and_cluster_give_the_same_results(
    nats_server: NatsServers, batches: list[tuple[Told, int]]
) -> None:
    """Statistics at one moment agree, and so do the feeds, apart from ids and times."""
    now = system_now()
    with temporary_folder() as folder:
        cluster = Cluster(folder, nats_server.account())
        try:
            cluster.open()
            cluster.open(log="embedded")
            cluster.open(keeps=False, log="embedded")
            said = [all_responses(node, lines_of(batches, now), now) for node in cluster.nodes]
        finally:
            cluster.close()
    assert said[0] == said[1]
    assert said[0] == said[2]


def lines_of(batches: list[tuple[Told, int]], now: int) -> Iterator[bytes]:
    """Return batches as NDJSON, timed in the last minute.

    Each batch begins with some events that were already sent.
    """
    sent: list[bytes] = []
    for told, again in (*batches, (LAST, 0)):
        known = sent[:again]
        for kind, data in told:
            when = datetime.fromtimestamp(to_ms(now) / 1000 - 60 + len(sent) / 10, UTC)
            head = {"specversion": "1.0", "id": str(len(sent)), "source": "s", "type": kind}
            sent.append(msgspec.json.encode({**head, "time": when.isoformat(), "data": data}))
        yield b"\n".join([*known, *sent[len(sent) - len(told) :]])


def all_responses(node: NodeHarness, bodies: Iterable[bytes], now: int) -> list[Any]:
    """Return a node's responses to these batches and to every statistics method, and its feeds."""
    session = node.login()
    begin = page(node, session, "")["token"]
    said: list[Any] = [node.take(body) for body in bodies]
    for path, member in ((EVENTS, "events"), (AGENTS, "agentEvent")):
        events = page(node, session, begin, path)[member]
        said.append([{**each, "eventId": "", "timestamp": ""} for each in events])
    node.node.server.now = lambda: now
    for path in STATISTICS:
        answer = node.ask("POST", path, session, json={})
        assert answer.status_code == 200, answer.text
        said.append(answer.json())
    return said
