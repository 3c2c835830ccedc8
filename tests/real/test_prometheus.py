"""Tests that a real Prometheus can scrape a floor, with the files in ``deploy/``.

Every panel must have data, and the rules must be valid.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.golden.pages import ROOT
from tests.real.cluster import wait_until
from tests.real.server import Server, command, environment, free_port, running
from tests.real.sites import KEYS, event, ndjson

PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")
RULES = ROOT / "deploy/prometheus/floorcast-rules.yml"
SERVER_RULES = RULES.with_name("floorcast-server-rules.yml")
DASHBOARD = ROOT / "deploy/grafana/floorcast-floor.json"
CONFIG = ROOT / "deploy/prometheus/prometheus.yml"
SECONDS = 60  # until every panel must have data
VARIABLES = {
    "$service": ".*",
    "$call_center": ".*",
    "$__rate_interval": "30s",
}

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="there is no promtool here: apt-get install prometheus"
)
needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None, reason="there is no Prometheus here: apt-get install prometheus"
)


def promtool(*arguments: str | Path, folder: Path = RULES.parent) -> str:
    """Run promtool, which must succeed. Returns its output."""
    assert PROMTOOL is not None
    said = subprocess.run(
        [PROMTOOL, *map(str, arguments)],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


@needs_promtool
@pytest.mark.parametrize(("rules", "count"), [(RULES, 8), (SERVER_RULES, 11)])
def test_the_rules_pass_their_unit_tests(rules: Path, count: int) -> None:
    """The rules pass their own unit tests in promtool, which have each alert."""
    assert f"{count} rules found" in promtool("check", "rules", rules)
    tests = rules.with_suffix(".test.yml")
    assert "SUCCESS" in promtool("test", "rules", tests)
    tested = tests.read_text("utf-8")
    alerts = re.findall(r"alert: (\w+)", rules.read_text("utf-8"))
    assert [name for name in alerts if f"alertname: {name}\n" not in tested] == []


def test_the_servers_rules_use_metrics_that_exist() -> None:
    """Each metric of the server's rules is documented, and tests compare the docs with the code."""
    documented = "".join(
        (ROOT / "docs" / page).read_text("utf-8").replace("`…_", "`floorcast_cluster_")
        for page in ("running.md", "webhooks.md")
    )
    names = re.findall(r"\bfloorcast_\w+", SERVER_RULES.read_text("utf-8"))
    assert len(set(names)) > 10
    assert [name for name in names if f"`{name.removesuffix('_bucket')}" not in documented] == []


@needs_promtool
def test_the_scrape_configuration_is_valid(tmp_path: Path) -> None:
    """The scrape configuration in ``deploy/`` is valid if the key's file exists."""
    for name in (CONFIG, RULES, SERVER_RULES):
        shutil.copy(name, tmp_path)
    (tmp_path / "floorcast-metrics-key").write_text("key")
    assert "SUCCESS" in promtool("check", "config", CONFIG.name, folder=tmp_path)


def metrics_key(server: Server) -> str:
    """Create a key for the floor's metrics with the command. Returns the key."""
    made = subprocess.run(
        command("key", "new", "--metrics", "--client", "ACME", "--data", server.data),
        check=False,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """Run a server, and a Prometheus that scrapes it five times per second.

    Yields the server and Prometheus's URL.
    """
    with running(tmp_path) as server:
        key = tmp_path / "floorcast-metrics-key"
        key.write_text(metrics_key(server))
        for rules in (RULES, SERVER_RULES):
            shutil.copy(rules, tmp_path)
        target = server.url.removeprefix("http://")
        config = CONFIG.read_text().replace("127.0.0.1:8080", target).replace("15s", "200ms")
        (tmp_path / CONFIG.name).write_text(config)
        port = free_port()
        program = [
            str(PROMETHEUS),
            f"--config.file={tmp_path / CONFIG.name}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
        with subprocess.Popen(program, cwd=tmp_path, env=environment()) as process:
            try:
                yield server, f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


def send_calls(server: Server, number: int) -> None:
    """Send a service's events, with calls that are handled, abandoned, moved on and waiting."""
    steps = [
        ("call.answer", {"agent": "ANN"}),
        ("call.end", {}),
        ("call.leave", {"reason": "TIMEOUT"}),
    ]
    kinds: list[tuple[str, dict[str, object]]] = [
        ("agent.state", {"agent": "ANN", "eventType": "READY", "service": "PS"})
    ]
    for call in range(4):
        named = {"transactionId": 10 * number + call, "sessionId": "s"}
        kinds.append(("call.start", {"service": "PS", "direction": "INBOUND", **named}))
        kinds.append(("call.queue", {"service": "PS", **named}))
        kinds += [(kind, {**data, **named}) for kind, data in steps[call : call + 1]]
    sent = [event(kind, f"{number}-{i}", **data) for i, (kind, data) in enumerate(kinds)]
    answer = httpx.post(
        f"{server.url}/ingest/v1/events",
        content=ndjson(sent),
        headers={
            "Authorization": f"Bearer {KEYS['ACME']}",
            "Content-Type": "application/x-ndjson",
        },
    )
    assert answer.json()["rejected"] == []


def with_values(expression: str) -> str:
    """Return a panel's expression with its variables replaced."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def has_data(url: str, expression: str) -> bool:
    """Return whether Prometheus has numbers for an expression."""
    try:
        response = httpx.get(f"{url}/api/v1/query", params={"query": expression})
    except httpx.TransportError:
        return False  # Prometheus is starting
    if response.status_code == 503:
        return False  # Prometheus is not ready yet
    answer = response.json()
    assert answer["status"] == "success", (expression, answer)
    found = answer["data"]["result"]
    return bool(found) and all(one["value"][1] != "NaN" for one in found)


@needs_prometheus
def test_every_panel_of_the_dashboard_has_data(prometheus: tuple[Server, str]) -> None:
    """All expressions of all panels have data while calls arrive."""
    server, url = prometheus
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = {with_values(target["expr"]) for panel in panels for target in panel["targets"]}
    assert len(expressions) > 12
    numbers = count(1)

    def complete() -> bool:
        send_calls(server, next(numbers))
        return all(has_data(url, one) for one in expressions)

    wait_until(complete, SECONDS)
