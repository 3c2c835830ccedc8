"""Tests of a cluster in which servers and nodes are killed and disconnected under load.

No node loses or repeats an acknowledged event, and all nodes agree at the same position.
"""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.nats_servers import NatsServers
from tests.real.cluster import Cluster, RoamingCaller, running_cluster, wait_until
from tests.real.load import PATIENCE, Load, Source, assert_all_once
from tests.real.server import AGENTS, EVENTS, Caller, Server
from tests.real.sites import KEYS, event, ndjson

SOURCES = 3
SOME = 12  # requests that must succeed after a fault
STATISTICS = ("/realtime/service/stats", "/realtime/campaign/stats")


@pytest.fixture(scope="module")
def cluster(
    three_nats_servers: NatsServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Run three nodes with three NATS servers, which all tests in this file use."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), three_nats_servers.start()) as one:
        yield one


@contextmanager
def under_load(cluster: Cluster, name: str) -> Iterator[Load]:
    """Run sources and readers on all nodes during the block.

    Afterwards, check that every reader has each event once, and that all nodes agree.
    """
    load, the_end = Load(), f"the end of {name}"
    with ExitStack() as stack:
        readers = stack.enter_context(ThreadPoolExecutor())
        first = stack.enter_context(Caller(cluster.nodes[0].url))
        session, begin = first.login(), first.feed(EVENTS).token
        following = {
            path: readers.submit(_read, cluster.nodes, session, path, begin, the_end)
            for path in (EVENTS, AGENTS)
        }
        sources = [
            Source(
                partial(RoamingCaller, cluster.nodes, f"{name} {number}"), f"{name} {number}", load
            )
            for number in range(SOURCES)
        ]
        for source in sources:
            source.start()
        try:
            load.wait_for(SOME)
            yield load
            load.wait_for(SOME)
        finally:
            load.end()
            for source in sources:
                source.join(PATIENCE)
        end = [
            event("email.attempt", the_end, service="Sales", eventType=the_end, accountNumber="-"),
            event("agent.state", f"{the_end}.", agent=name, eventType="READY", result=the_end),
        ]
        with RoamingCaller(cluster.nodes, name) as last:
            last.take(ndjson(end))
        _check(cluster, session, begin, the_end, sources, following)


def _read(
    nodes: list[Server], session: str, path: str, begin: str, the_end: str
) -> list[dict[str, Any]]:
    with RoamingCaller(nodes, path) as reader:
        reader.http.headers["LV-Session"] = session
        return reader.follow(path, begin, until=the_end, count=500)


def _check(
    cluster: Cluster,
    session: str,
    begin: str,
    the_end: str,
    sources: list[Source],
    following: dict[str, Future[list[dict[str, Any]]]],
) -> None:
    middle = following[EVENTS].result(PATIENCE)
    moments = begin, middle[len(middle) // 2]["eventId"]
    for path, found in following.items():
        events = found.result(PATIENCE)
        assert_all_once(path, events, sources)
        for node in cluster.nodes:
            assert _read([node], session, path, begin, the_end) == events
    with ExitStack() as stack:
        callers = [stack.enter_context(Caller(node.url)) for node in cluster.nodes]
        for caller in callers:
            caller.http.headers["LV-Session"] = session
        for path in STATISTICS:
            # waiting times may increase by a second between two nodes' responses
            assert any(_alike(cluster, callers, path) for _ in range(3))
            for moment in moments:
                _assert_same_past(callers, path, moment)


def _assert_same_past(callers: list[Caller], path: str, moment: str) -> None:
    """Check that all nodes return the same bytes for a past time."""
    with ThreadPoolExecutor() as beside:
        answers = list(
            beside.map(lambda caller: caller.http.post(path, json={"at": moment}), callers)
        )
    assert [answer.status_code for answer in answers] == [200] * len(answers), answers[0].text
    assert len({(answer.content, answer.headers["feed-token"]) for answer in answers}) == 1


def _alike(cluster: Cluster, callers: list[Caller], path: str) -> bool:
    """Return whether all nodes, which must be at the same position, have the same response."""
    answers = [caller.http.post(path, json={}) for caller in callers]
    assert len({_place(cluster, answer) for answer in answers}) == 1
    return len({answer.text for answer in answers}) == 1


def _place(cluster: Cluster, answer: httpx.Response) -> int:
    assert answer.status_code == 200, answer.text
    return cluster.nodes[0].position_of(answer.headers["feed-token"])


def test_the_stream_leader_is_killed(cluster: Cluster) -> None:
    """Ingest continues after another leader is elected."""
    with under_load(cluster, "leader") as load:
        leader = cluster.leader
        leader.kill()
        load.wait_for(SOME)
        leader.start()
        cluster.servers.ready()


def test_a_node_is_killed_and_its_disk_is_lost(cluster: Cluster) -> None:
    """The other nodes continue. The killed node starts with a copy of another node's data."""
    with under_load(cluster, "node") as load:
        node = random.choice(cluster.nodes)
        node.kill()
        shutil.rmtree(node.data)
        load.wait_for(SOME)
        node.start()
        assert "copy_taken" in node.log.read_text()


def test_the_stream_leader_and_a_node_are_killed_together(cluster: Cluster) -> None:
    """The node starts again, possibly before a new leader is elected."""
    with under_load(cluster, "both") as load:
        leader, node = cluster.leader, random.choice(cluster.nodes)
        leader.kill()
        node.kill()
        node.start()
        load.wait_for(SOME)
        leader.start()
        cluster.servers.ready()


def test_a_node_is_disconnected(cluster: Cluster) -> None:
    """A disconnected node says so, serves the data that it has, and catches up later."""
    node = cluster.nodes[-1]
    with under_load(cluster, "wire") as load, Caller(node.url) as caller:
        caller.login()
        for wire in cluster.wires:
            wire.cut()
        wait_until(lambda: caller.http.get("/readyz").status_code == 503)
        assert "feeds continue" in caller.http.get("/readyz").json()["message"]
        assert caller.feed(EVENTS).token
        load.wait_for(SOME)
        for wire in cluster.wires:
            wire.mend()
        wait_until(lambda: caller.http.get("/readyz").status_code == 200)


def test_events_are_refused_and_known_data_is_served_without_a_quorum(
    cluster: Cluster,
) -> None:
    """Without a quorum, events get 503 with Retry-After. Intake resumes when the quorum returns."""
    with ExitStack() as stack:
        callers = [stack.enter_context(Caller(node.url)) for node in cluster.nodes]
        for caller in callers:
            caller.login()
        for server in cluster.servers.servers[1:]:
            server.kill()
        for number, caller in enumerate(callers):
            refused = _send(caller, f"none {number}")
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            assert caller.feed(EVENTS).token
        connected = [caller.http.get("/readyz") for caller in callers]
        bodies = [answer.json() for answer in connected if answer.status_code == 200]
        assert bodies
        assert all("quorum" in each["reason"] for each in bodies)
        cluster.servers.start()
        for caller in callers:
            wait_until(partial(_takes, caller))
            wait_until(partial(_is_ready, caller))
    with under_load(cluster, "after"):
        pass


def _takes(caller: Caller) -> bool:
    return _send(caller, f"again {caller.http.base_url}").status_code == 200


def _is_ready(caller: Caller) -> bool:
    return bool(caller.http.get("/readyz").json() == {"status": "ready"})


def _send(caller: Caller, name: str) -> httpx.Response:
    body = ndjson([event("sms.attempt", name, service="Sales", eventType="SENT")])
    headers = {
        "Authorization": f"Bearer {KEYS['ACME']}",
        "Content-Type": "application/x-ndjson",
    }
    return caller.http.post("/ingest/v1/events", content=body, headers=headers)


def test_a_node_may_start_before_its_cluster(tmp_path: Path) -> None:
    """A node whose cluster is not yet running is alive but not ready, and starts with the cluster.

    The node can be stopped while it waits.
    """
    servers = NatsServers(tmp_path, 1)
    options = ("--log", servers.account(), "--replicas", "1")
    node = Server(tmp_path, options=options, patience=PATIENCE)
    with ThreadPoolExecutor() as beside, Caller(node.url) as caller:
        for last in (False, True):
            starting = beside.submit(node.start)
            wait_until(partial(_lives, caller))
            assert caller.http.get("/readyz").status_code == 503
            if not last:
                node.send_signal(signal.SIGTERM)
                with pytest.raises(AssertionError, match="it said"):
                    starting.result(PATIENCE)
        try:
            servers.start()
            starting.result(PATIENCE)
            assert _send(caller, "first").status_code == 200
        finally:
            servers.stop()
            node.kill()


def _lives(caller: Caller) -> bool:
    try:
        return caller.http.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False
