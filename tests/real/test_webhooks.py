"""Tests of real servers' webhooks while servers and nodes are killed."""

from __future__ import annotations

import json
import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook as Verifier

from tests.nats_servers import NatsServers
from tests.real.cluster import Cluster, running_cluster, wait_until
from tests.real.server import EVENTS, Caller, Server, command, environment, running
from tests.real.sites import SITE, event, ndjson

SECRET = "whsec_" + "QUFB" * 10
KILLS = 3


class Receiver(ThreadingHTTPServer):
    """A webhook's receiver. ``fails`` is the share of requests that get a 500."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fails = 0.0
        self.chance = random.Random(7)
        self.ids: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.turn = threading.Lock()

    def site(self, sent: str = "interaction", more: str = "") -> str:
        """Return the usual site with a webhook that sends the feed ``sent`` to this receiver.

        ``more`` is added after the webhook's table.
        """
        table = f"""[[client.webhook]]
name = "ops"
url = "http://127.0.0.1:{self.server_port}/hook"
secret = "{SECRET}"
send = ["{sent}"]
allow_private = true
{more}
[[client]]
id = 4199"""
        return SITE.replace("[[client]]\nid = 4199", table, 1)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        events: list[dict[str, Any]] = Verifier(SECRET).verify(body, dict(self.headers.items()))
        with self.server.turn:
            self.server.ids += [one["id"] for one in events]
            self.server.events += events
            failing = self.server.chance.random() < self.server.fails
        self.send_response(500 if failing else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the library's name
        """Log nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a receiver in its own thread."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def send(caller: Caller, number: int, count: int = 5) -> None:
    """Send some numbered events."""
    caller.take(
        ndjson(
            event("sms.attempt", f"{number}.{index}", service="Sales", eventType="Attempt")
            for index in range(count)
        )
    )


def all_ids(caller: Caller, token: str, count: int) -> list[str]:
    """Return the ids of the ``count`` events after a token in the interaction feed."""
    found: list[str] = []
    while len(found) < count:
        page = caller.feed(EVENTS, token)
        token = page.token
        found += [one["eventId"] for one in page.events]
    return found


def at_least_once(receiver: Receiver, ids: list[str]) -> bool:
    """Return whether each event has arrived, and the first deliveries were in order."""
    with receiver.turn:
        return list(dict.fromkeys(receiver.ids)) == ids


@pytest.mark.long
def test_webhook_events_arrive_in_order_despite_kills(tmp_path: Path, receiver: Receiver) -> None:
    """No event is lost, although the server is killed and the receiver sometimes fails."""
    receiver.fails = 0.3
    with running(tmp_path, site=receiver.site()) as server, _caller(server) as caller:
        begin = caller.feed(EVENTS).token
        wait_until(lambda: caller.metric_value("floorcast_ready"))
        wait_until(lambda: "floorcast_webhook_lag_seconds{" in caller.http.get("/metrics").text)
        sent = 0
        for _ in range(KILLS):
            for _ in range(4):
                send(caller, sent)
                sent += 1
            wait_until(lambda: receiver.ids)
            server.kill()
            server.start()
        send(caller, sent)
        sent += 1
        receiver.fails = 0.0
        ids = all_ids(caller, begin, 5 * sent)
        assert len(ids) == 5 * sent
        wait_until(lambda: at_least_once(receiver, ids))


@contextmanager
def _caller(server: Server) -> Iterator[Caller]:
    with Caller(server.url, up=server.up) as caller:
        caller.login()
        yield caller


def sending(cluster: Cluster) -> list[Server]:
    """Return the nodes that currently run the webhook."""
    return [
        node
        for node in cluster.nodes
        if node.up.is_set()
        and "floorcast_webhook_lag_seconds{" in httpx.get(f"{node.url}/metrics").text
    ]


@pytest.mark.long
def test_another_node_takes_over_when_the_sender_is_killed(
    three_nats_servers: NatsServers, tmp_path: Path, receiver: Receiver
) -> None:
    """After the sending node is killed, another node sends the later events in order."""

    def prepare(cluster: Cluster) -> None:
        for node in cluster.nodes:
            node.site.write_text(receiver.site())

    with running_cluster(tmp_path, three_nats_servers.start(), prepare) as cluster:
        wait_until(lambda: len(sending(cluster)) == 1)
        (sender,) = sending(cluster)
        others = [node for node in cluster.nodes if node is not sender]
        with _caller(others[0]) as caller:
            begin = caller.feed(EVENTS).token
            send(caller, 1)
            wait_until(lambda: len(receiver.ids) == 5)
            sender.kill()
            send(caller, 2)
            send(caller, 3)
            ids = all_ids(caller, begin, 15)
            wait_until(lambda: at_least_once(receiver, ids))
            assert len(sending(cluster)) == 1
            assert len(receiver.ids) <= 20, json.dumps(receiver.ids)


SILENCE = """
[[client.alert]]
name = "Nothing comes"
figure = "silence"
above = 1
to = ["ops"]

[[client.alert]]
name = "Nothing comes, for nobody"
figure = "silence"
above = 1
"""


def test_an_alert_is_sent_to_its_webhook(tmp_path: Path, receiver: Receiver) -> None:
    """An alert is sent when it fires and when it ends. An alert without a webhook is not sent."""
    with running(tmp_path, site=receiver.site("alerts", SILENCE)) as server, _caller(server) as one:
        send(one, 1)
        wait_until(lambda: "firing" in _statuses(receiver))
        send(one, 2)
        wait_until(lambda: "ok" in _statuses(receiver)[_statuses(receiver).index("firing") :])
        assert {event["data"]["name"] for event in receiver.events} == {"Nothing comes"}
        assert {event["type"] for event in receiver.events} == {"floorcast.alert"}


WAITING = """
[[client.alert]]
name = "Waiting"
figure = "totalCallsInQueue"
service = ["Sales"]
above = 0
"""


def test_a_webhook_that_is_declared_while_an_alert_is_firing_is_sent_it(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The new webhook is sent the alert, with the time at which it fired, and then its end."""
    with running(tmp_path, site=_alert_site(WAITING)) as server, _caller(server) as one:
        call = {"service": "Sales", "transactionId": 1, "sessionId": "s"}
        one.take(ndjson([event("call.queue", 1, **call)]))
        wait_until(lambda: _alerts(one)[0]["status"] == "firing")
        (firing,) = _alerts(one)
        server.site.write_text(receiver.site("alerts", WAITING + 'to = ["ops"]\n'))
        arguments = command("site", "apply", server.site, "--yes", "--data", server.data)
        subprocess.run(arguments, env=environment(), check=True)
        wait_until(lambda: _statuses(receiver) == ["firing"])
        sent = receiver.events[0]["data"]
        assert (sent["alertId"], sent["timestamp"]) == (firing["alertId"], firing["since"])
        assert _alerts(one)[0]["since"] == firing["since"]
        one.take(ndjson([event("call.end", 2, transactionId=1, sessionId="s")]))
        wait_until(lambda: _statuses(receiver) == ["firing", "ok"])


def _alert_site(rule: str) -> str:
    return SITE.replace("[[client]]\nid = 4199", f"{rule}\n[[client]]\nid = 4199", 1)


def _alerts(caller: Caller) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = caller.http.get("/realtime/alerts").json()["alerts"]
    return rows


def _statuses(receiver: Receiver) -> list[str]:
    with receiver.turn:
        return [event["data"]["status"] for event in receiver.events]
