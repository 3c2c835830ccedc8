"""Tests that nodes detect shortened or empty streams, and that a repair restores the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from floorcast.cluster.migrate import export_cluster
from floorcast.cluster.repair import RepairResult, repair
from floorcast.cluster.saved_store import SavedStore
from floorcast.cluster.streams import KV_STREAM
from floorcast.model.errors import SettingError
from tests.cluster.cluster_nodes import (
    STREAM,
    STREAMS,
    Cluster,
    delete_streams,
    follow,
    lose_messages,
    new_cluster,
    page,
    refill_stream,
    sms,
    wait_until_halted,
)
from tests.nats_servers import NatsServers, wait_until
from tests.real.nodes import NodeHarness
from tests.real.server import EVENTS
from tests.real.sites import ACME, KEYS

KEY = {"Authorization": f"Bearer {KEYS['ACME']}", "Content-Type": "application/x-ndjson"}


@pytest.fixture
def cluster(nats_server: NatsServers) -> Iterator[Cluster]:
    """Yield a cluster without nodes."""
    with new_cluster(nats_server) as one:
        yield one


def run_repair(
    cluster: Cluster,
    node: NodeHarness,
    data: Path | None = None,
    on_entry: Callable[[int, int], None] = lambda _done, _all: None,
) -> RepairResult:
    """Run repair from the folder of a stopped node."""
    settings = structs.replace(cluster.settings, data=data or node.data)
    return node.run(repair(settings, on_entry))


async def follow_all(node: NodeHarness, entries: int) -> None:
    """Wait until a node has this many entries of the client."""
    await wait_until(lambda: node.node.server.log.head(ACME).number >= entries)


def names(node: NodeHarness, session: str, begin: str, count: int) -> list[Any]:
    """Return the ids of the first events in the feed."""
    return [each["eventId"] for each in follow(node, session, begin, count)[0]]


def test_shortened_stream_halts_every_node(cluster: Cluster) -> None:
    """Each node says what to do, refuses events, and is not ready.

    A halted node does not start again, either.
    """
    one, other = cluster.open(), cluster.open()
    for number in range(4):
        one.take(sms(number))
    other.run(follow_all(other, 5))
    one.run(lose_messages(cluster.url, 2))
    for node in (one, other):
        assert "repair" in node.run(wait_until_halted(node))
        assert node.ask("GET", "/readyz").status_code == 503
        answer = node.ask("POST", "/ingest/v1/events", content=sms("x"), headers=KEY)
        assert answer.status_code == 503
    one.close()
    with pytest.raises(SettingError, match=r"ends at message .*floorcast cluster repair"):
        one.open()


def test_repair_restores_lost_and_later_events(cluster: Cluster) -> None:
    """Readers continue with their tokens, a lagging node takes a copy, and nothing counts twice."""
    one = cluster.open()
    session = one.login()
    begin = page(one, session, "")["token"]
    for number in range(4):
        one.take(sms(number))
    before = names(one, session, begin, 4)
    one.close()
    one.run(lose_messages(cluster.url, 2))
    late = cluster.open()  # does not know of the loss; the events that it accepts are kept, too
    late.take(sms("late", 0))
    late.close()
    assert run_repair(cluster, one) == RepairResult([STREAM], 0, 0)
    assert run_repair(cluster, one) == RepairResult([], 0, 0)
    one.open()
    seen = names(one, session, begin, 5)
    assert seen[:4] == before
    late.open()
    assert names(late, session, begin, 5) == seen
    assert late.take(sms(*range(4), "late"))["duplicates"] == 5
    new = cluster.open()
    assert names(new, session, begin, 5) == seen


def test_only_repair_recreates_a_missing_stream(cluster: Cluster) -> None:
    """A starting node does not create the stream. The repaired stream continues the numbering."""
    one = cluster.open()
    session = one.login()
    begin = page(one, session, "")["token"]
    one.take(sms("a", "b"))
    before = names(one, session, begin, 2)
    one.run(delete_streams(cluster.url, STREAM))
    assert "lost the stream" in one.run(wait_until_halted(one))
    one.close()
    for node in (one, cluster):
        with pytest.raises(SettingError, match="lost the stream"):
            node.open()
    cluster.nodes = [one]
    with pytest.raises(SettingError, match="lost the stream"):
        one.run(export_cluster(structs.replace(cluster.settings, data=one.data)))
    assert run_repair(cluster, one).streams == [STREAM]
    one.open()
    assert one.take(sms("b", "c"))["duplicates"] == 1
    assert names(one, session, begin, 3)[:2] == before


def test_repair_restores_everything_from_one_folder(cluster: Cluster) -> None:
    """Site, users, sessions and log are restored.

    A new node that starts before the repair does not begin a new log.
    """
    one, other = cluster.open(), cluster.open()
    session = one.login()
    begin = page(one, session, "")["token"]
    one.take(sms("a"))
    other.run(follow_all(other, 2))
    other.close()
    streams = [f"FLOORCAST_{number}" for number in range(STREAMS)]
    one.run(delete_streams(cluster.url, KV_STREAM, *streams))
    with pytest.raises(SettingError, match="lost its key-value store"):
        cluster.open()  # while another node still reports a log
    one.close()
    with pytest.raises(SettingError, match="lost its key-value store"):
        other.open()
    done = run_repair(cluster, one)
    assert (done.streams, done.events) == (streams, 0)
    assert done.keys >= 4
    one.open()
    other.open()
    assert len(names(other, session, begin, 1)) == 1
    assert other.take(sms("a", "b"))["duplicates"] == 1


def test_repair_from_a_second_folder_adds_missing_events(cluster: Cluster) -> None:
    """Events that only one node had followed are published again, and count once."""
    one, other = cluster.open(), cluster.open()
    session = one.login()
    begin = page(one, session, "")["token"]
    one.take(sms("a"))
    other.run(follow_all(other, 2))
    other.close()
    one.take(sms("b"))
    one.close()
    one.run(lose_messages(cluster.url, 2))
    assert run_repair(cluster, other).streams == [STREAM]
    other.open()
    assert len(names(other, session, begin, 1)) == 1
    seen: list[tuple[int, int]] = []
    assert run_repair(cluster, one, on_entry=lambda *done: seen.append(done)).events >= 1
    assert seen[-1][0] == seen[-1][1] >= 1
    assert len(names(other, session, begin, 2)) == 2
    one.open()
    assert names(one, session, begin, 2) == names(other, session, begin, 2)


def test_older_key_value_store_is_detected(cluster: Cluster) -> None:
    """A running node stops admitting users. Repair restores writes and deletions."""
    one = cluster.open()
    session = one.login()
    one.run(wait_until(lambda: SavedStore(one.data).buckets(("sessions",))["sessions"]))
    one.run(lose_messages(cluster.url, 1, KV_STREAM))
    assert "key-value store" in one.run(wait_until_halted(one))
    assert one.ask("POST", "/session/isActive", session).status_code != 200
    one.close()
    with pytest.raises(SettingError, match="key-value store ends at message"):
        one.open()
    assert run_repair(cluster, one).keys >= 1
    one.open()
    assert one.ask("POST", EVENTS, session, json={}).status_code == 200


def test_refilled_key_value_store_is_detected_at_startup(cluster: Cluster) -> None:
    """The store lost a login and was written to afterwards. Repair restores the login."""
    one = cluster.open()
    session = one.login()
    one.run(wait_until(lambda: SavedStore(one.data).buckets(("sessions",))["sessions"]))
    one.close()
    one.run(refill_stream(cluster.url, KV_STREAM))
    with pytest.raises(SettingError, match="key-value store has lost a "):
        one.open()
    assert run_repair(cluster, one).keys >= 1
    one.open()
    assert one.ask("POST", EVENTS, session, json={}).status_code == 200
