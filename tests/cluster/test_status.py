"""Tests of a cluster's status, as shown to an operator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from floorcast.cluster.status import query_status
from tests.cluster.cluster_nodes import (
    STREAM,
    Cluster,
    delete_streams,
    new_cluster,
    sms,
    wait_until_halted,
)
from tests.nats_servers import NatsServers


@pytest.fixture
def cluster(nats_server: NatsServers) -> Iterator[Cluster]:
    """Yield a cluster without nodes."""
    with new_cluster(nats_server) as one:
        yield one


def test_each_problem_is_one_sentence(cluster: Cluster) -> None:
    """Covers no problem, two nodes with one name, a halted node, and no node at all."""
    one = cluster.open(node="a")
    server = "?monitor=1&routes=1"  # no server listens here
    assert one.run(query_status(cluster.url + server)).problems == []
    other = cluster.open(node="a")
    assert one.run(query_status(cluster.url + server)).problems == [
        "2 nodes are called a: give each a different name with --node"
    ]
    other.close()
    cluster.nodes.remove(other)
    one.take(sms("x"))
    one.run(delete_streams(cluster.url, STREAM))
    one.run(wait_until_halted(one))
    with_loss = one.run(query_status(cluster.url + server)).problems
    assert any("floorcast cluster repair" in problem for problem in with_loss)


def test_cluster_without_nodes_is_a_problem(cluster: Cluster) -> None:
    """The streams are still reported."""
    one = cluster.open()
    one.close()
    found = one.run(query_status(cluster.url + "?monitor=1&routes=1"))
    assert (found.nodes, found.problems) == ([], ["no node answers"])
    cluster.nodes.clear()
