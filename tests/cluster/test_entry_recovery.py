"""Tests that a damaged log entry is fetched from another node or rebuilt from its stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from floorcast.log.damage import damaged_entries
from floorcast.sqlite.files import remove
from tests.cluster.cluster_nodes import STREAM, Cluster, connected, follow, new_cluster, page, sms
from tests.log.damaging import flip, leaf_of, zero_page
from tests.nats_servers import NatsServers, wait_until
from tests.real.nodes import NodeHarness
from tests.real.sites import ACME, KEYS

KEY = {"Authorization": f"Bearer {KEYS['ACME']}", "Content-Type": "application/x-ndjson"}
TAKEN = 50  # requests
PADDING = "x" * 900  # several entries per page


@pytest.fixture
def cluster(nats_server: NatsServers) -> Iterator[Cluster]:
    """Yield a cluster without nodes."""
    with new_cluster(nats_server) as one:
        yield one


def event_id(number: int) -> str:
    return f"{number}-{PADDING}-"


def fill(node: NodeHarness) -> None:
    """Send requests that each repeat the previous event, so that no entry is a whole message."""
    for number in range(TAKEN):
        node.take(sms(event_id(number), event_id(number + 1)))


def flip_one(data: Path) -> None:
    """Change a byte of one entry."""
    flip(data / "log.db", b'"' + event_id(5).encode())


def zero_some(data: Path) -> None:
    """Change a page with several entries in the middle of the log."""
    zero_page(data / "log.db", leaf_of(data / "log.db", "entries", 1))


Damage = Callable[[Path], None]


def damage(node: NodeHarness, how: Damage, *, derived: bool) -> list[int]:
    """Stop a node, damage its log, and make the next start read the whole log.

    Returns the damaged entries.
    """
    node.close()
    how(node.data)
    for name in ("mirror.db", "keys.db") if derived else ("mirror.db",):
        remove(node.data / name)
    return [one.number for one in damaged_entries(node.data) if one.client == ACME]


def catch_up(node: NodeHarness, other: NodeHarness) -> None:
    """Wait until a node has all entries of another node."""
    logs = node.node.server.log, other.node.server.log
    node.run(wait_until(lambda: logs[0].head(ACME) == logs[1].head(ACME)))


def feed(node: NodeHarness, session: str, begin: str) -> list[dict[str, Any]]:
    """Return all events that the node has in the feed."""
    return follow(node, session, begin, TAKEN + 1)[0]


def recovered_entries(logged: list[Any]) -> list[tuple[int, str]]:
    return [(one["entry"], one["source"]) for one in logged if one["event"] == "entry_restored"]


@pytest.mark.parametrize(("how", "derived"), [(flip_one, False), (zero_some, True)])
def test_damaged_entry_is_fetched_from_another_node(
    cluster: Cluster, how: Damage, derived: bool
) -> None:
    """Readers see every event once, and the server logs the recovery."""
    one, other = cluster.open(node="one"), cluster.open(node="other")
    session = one.login()
    begin = page(one, session, "")["token"]
    fill(one)
    before = feed(one, session, begin)
    other.run(
        wait_until(lambda: other.node.server.log.head(ACME) == one.node.server.log.head(ACME))
    )
    lost = damage(one, how, derived=derived)
    assert lost
    with capture_logs() as logged:
        one.open()
        assert feed(one, session, begin) == before
    assert recovered_entries(logged) == [(number, "other") for number in lost]
    assert one.take(sms(*map(event_id, range(TAKEN + 1))))["duplicates"] == TAKEN + 1
    one.close()
    assert list(damaged_entries(one.data)) == []


async def keep_the_last(url: str) -> None:
    """Make the stream forget all messages but the last."""
    async with connected(url) as link:
        config = (await link.api(f"STREAM.INFO.{STREAM}"))["config"]
        await link.api(f"STREAM.UPDATE.{STREAM}", {**config, "max_msgs": 1})


@pytest.mark.parametrize("how", [flip_one, zero_some])
def test_damaged_entry_is_rebuilt_from_the_stream(cluster: Cluster, how: Damage) -> None:
    """The entry is rebuilt without the duplicate events of its message."""
    one = cluster.open()
    session = one.login()
    begin = page(one, session, "")["token"]
    fill(one)
    before = feed(one, session, begin)
    lost = damage(one, how, derived=True)
    with capture_logs() as logged:
        one.open()
        assert feed(one, session, begin) == before
    assert [number for number, _ in recovered_entries(logged)] == lost
    assert all(source.startswith("FLOORCAST_") for _, source in recovered_entries(logged))
    assert one.take(sms(event_id(5), event_id(6)))["duplicates"] == 2


def test_entry_damaged_on_all_nodes_is_not_restored(cluster: Cluster) -> None:
    """If the stream is empty, too, no node has the entry. The client waits for the operator."""
    one, other = cluster.open(), cluster.open()
    fill(one)
    other.run(
        wait_until(lambda: other.node.server.log.head(ACME) == one.node.server.log.head(ACME))
    )
    for node in (one, other):
        damage(node, flip_one, derived=False)
    one.run(keep_the_last(cluster.url))
    with capture_logs() as logged:
        for node in (one, other):
            node.open()
    assert recovered_entries(logged) == []
    told = {one["entry"] for one in logged if one["event"] == "entry_damaged"}
    assert len(told) == 1
    answer = one.ask("POST", "/ingest/v1/events", content=sms("x"), headers=KEY)
    assert answer.status_code == 503
