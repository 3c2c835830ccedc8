"""Tests of ``/metrics/floor``, which has one client's figures for a metrics key."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.real.server import Server, command, environment, running
from tests.real.sites import KEYS, event, ndjson

CLIENTS = ("ACME", "CHILD", "STRANGER")
PROMETHEUS_ACCEPTS = (
    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
Samples = dict[tuple[str, str], float]


class Floor(NamedTuple):
    """A server, and a metrics key for each of its clients."""

    server: Server
    keys: dict[str, str]

    def get(self, headers: dict[str, str], query: str = "") -> httpx.Response:
        """Scrape the metrics."""
        return httpx.get(f"{self.server.url}/metrics/floor{query}", headers=headers)

    def samples(self, client: str) -> Samples:
        """Return each sample, by its name and its state, reason, bound or service."""
        answer = self.get({"Authorization": f"Bearer {self.keys[client]}"})
        assert answer.status_code == 200
        found: Samples = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                labels = sample.labels
                about = [labels[name] for name in ("state", "reason", "le") if name in labels]
                found[sample.name, about[0] if about else labels.get("service", "")] = sample.value
        return found


def new_key(server: Server, client: str) -> str:
    """Return a metrics key of a client."""
    made = subprocess.run(
        command("key", "new", "--metrics", "--client", client, "--data", server.data),
        check=False,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    """Yield a floor whose client ACME has one handled call and one waiting call."""
    with running(tmp_path_factory.mktemp("floor")) as server:
        keys = {name: new_key(server, name) for name in CLIENTS}
        server.kill()  # a server that starts sees the change of a command at once
        server.start()
        first: dict[str, object] = {"transactionId": 1, "sessionId": "s"}
        told = [
            event("agent.state", 1, agent="ANN", eventType="READY", service="PS"),
            event("call.start", 2, service="PS", direction="INBOUND", **first),
            event("call.queue", 3, service="PS", **first),
            event("call.answer", 4, agent="ANN", **first),
            event("call.queue", 5, service="PS", transactionId=2, sessionId="s"),
        ]
        headers = {
            "Authorization": f"Bearer {KEYS['ACME']}",
            "Content-Type": "application/x-ndjson",
        }
        url = f"{server.url}/ingest/v1/events"
        answer = httpx.post(url, content=ndjson(told), headers=headers).json()
        assert answer["accepted"] == 5, answer
        yield Floor(server, keys)


def test_metrics_match_the_floor(floor: Floor) -> None:
    """The response has gauges of the current state, counters, and the histogram of waits."""
    samples = floor.samples("ACME")
    shown = {
        name: samples[f"floorcast_{name}", "PS"]
        for name in (
            "calls_offered_total",
            "calls_handled_total",
            "calls_abandoned_total",
            "calls_answered_within_sla_total",
            "calls_in_queue",
            "calls_with_agent",
            "wait_seconds_count",
        )
    }
    assert list(shown.values()) == [2, 1, 0, 1, 1, 1, 1]
    assert samples["floorcast_agents", "Ready"] == 1
    assert samples["floorcast_calls_moved_on_total", "TIMEOUT"] == 0
    buckets = [value for (name, _), value in samples.items() if name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert 0 <= samples["floorcast_floor_silence_seconds", ""] < 60


def test_other_clients_do_not_see_these_metrics(floor: Floor) -> None:
    """Neither the client's services nor the time of its last event appear."""
    others = [name for name in CLIENTS if name != "ACME"]
    assert others
    for client in others:
        assert not any("PS" in about for about in floor.samples(client))
        assert ("floorcast_floor_silence_seconds", "") not in floor.samples(client)


@pytest.mark.parametrize("kind", ["none", "wrong", "ingest key", "in the address"])
def test_a_metrics_key_is_required(floor: Floor, kind: str) -> None:
    """Other kinds of keys are refused. So is a key in the URL, because logs would keep it."""
    headers = {
        "none": {},
        "wrong": {"Authorization": "Bearer wrong"},
        "ingest key": {"Authorization": f"Bearer {KEYS['ACME']}"},
        "in the address": {},
    }[kind]
    query = f"?access_token={floor.keys['ACME']}" if kind == "in the address" else ""
    answer = floor.get(headers, query)
    assert answer.status_code == 401
    assert "metrics key" in answer.json()["message"]
    assert "floorcast_" not in answer.text


def test_openmetrics_is_returned_on_request(floor: Floor) -> None:
    """Prometheus requests OpenMetrics by default. Other callers get the text format."""
    key = {"Authorization": f"Bearer {floor.keys['ACME']}"}
    asked = floor.get({**key, "Accept": PROMETHEUS_ACCEPTS})
    assert asked.headers["content-type"].startswith("application/openmetrics-text")
    assert asked.text.endswith("# EOF\n")
    assert floor.get(key).headers["content-type"].startswith("text/plain")
