"""The status of a cluster, as shown to an operator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from floorcast.cluster.status import overview
from tests.cluster.town import STREAM, Town, delete, is_halted, sms, town_of
from tests.nats_servers import NatsServers


@pytest.fixture
def town(nats_server: NatsServers) -> Iterator[Town]:
    """Yield a cluster without nodes."""
    with town_of(nats_server) as one:
        yield one


def test_problems_are_told_a_sentence_each(town: Town) -> None:
    """Covers no problem, two nodes with one name, a halted node, and no node at all."""
    one = town.open(node="a")
    server = "?monitor=1&routes=1"  # no server listens here
    assert one.run(overview(town.url + server)).problems == []
    other = town.open(node="a")
    assert one.run(overview(town.url + server)).problems == [
        "2 nodes are called a: give each a different name with --node"
    ]
    other.close()
    town.nodes.remove(other)
    one.take(sms("x"))
    one.run(delete(town.url, STREAM))
    one.run(is_halted(one))
    with_loss = one.run(overview(town.url + server)).problems
    assert any("floorcast cluster repair" in problem for problem in with_loss)


def test_no_node_is_a_problem(town: Town) -> None:
    """The streams are still reported."""
    one = town.open()
    one.close()
    found = one.run(overview(town.url + "?monitor=1&routes=1"))
    assert (found.nodes, found.problems) == ([], ["no node answers"])
    town.nodes.clear()
