"""Tests of the demo: everything that it prints works, and its floor is busy."""

from __future__ import annotations

import re
import signal
import subprocess
import time
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from floorcast.cli.app import app
from floorcast.cli.demo_floor import AGENTS, API_TOKEN, INGEST_KEY, SEED
from floorcast.model.errors import SettingError
from floorcast.simulator.floor_sizing import plan_floor
from tests.programs import needs
from tests.real.server import EVENTS, Caller, command, environment, free_port
from tests.real.sites import in_the_evening

DEADLINE = 60.0  # seconds

pytestmark = pytest.mark.long


def example_site(folder: Path) -> Path:
    """Return the example site in a time zone where the demo's two hours are on one day."""
    site = files("floorcast").joinpath("example_site.toml").read_text("utf-8")
    written = folder / "site.toml"
    written.write_text(in_the_evening(site), "utf-8")
    return written


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """Run the demo, and return its address and its output."""
    folder = tmp_path_factory.mktemp("demo")
    arguments = command("demo", "--port", free_port(), "--site", example_site(folder))
    with subprocess.Popen(
        arguments, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        output = []
        for line in process.stdout:
            output.append(line)
            if "continues in real time" in line:
                break
        yield output[0].split()[-1], output
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0


def logged_in(address: str) -> Caller:
    caller = Caller(address)
    answer = caller.http.post(
        "/session/login",
        headers={"LV-Access": API_TOKEN},
        json={
            "clientName": "ACME",
            "userName": "reports",
            "password": "example-reports-password",
        },
    )
    caller.http.headers["LV-Session"] = answer.json()["sessionId"]
    return caller


def test_prints_the_wallboard_address_and_login(demo: tuple[str, list[str]]) -> None:
    """It prints the address, client, user, password and API token, and requests that work."""
    address, output = demo
    printed = "".join(output)
    assert f"wallboard   {address}/wallboard\n" in printed
    shown = re.findall(
        r"^  (client|user|password|API token|ingest key)  +(\S+)$", printed, re.MULTILINE
    )
    assert dict(shown)["ingest key"] == INGEST_KEY
    pasted = re.search(r"^(  SESSION=.*?)\nEach feed response", printed, re.MULTILINE | re.DOTALL)
    assert pasted is not None
    needs("bash", "curl")
    answers = subprocess.run(
        ["bash", "-euc", pasted[1]], check=True, capture_output=True, text=True, timeout=DEADLINE
    ).stdout
    assert answers.startswith('{"stats":[')
    assert '"events":[' in answers
    assert '"agentEvent":[' in answers


def test_every_service_has_activity_and_new_events_arrive(demo: tuple[str, list[str]]) -> None:
    """Every service has calls and agents, and new events arrive within moments."""
    address, _ = demo
    with logged_in(address) as caller:
        rows = caller.http.post("/realtime/service/stats").json()["stats"]
        plan = plan_floor(AGENTS, seed=SEED)
        assert {row["serviceName"] for row in rows} == set(plan.services)
        assert sum(row["totalAgents"] for row in rows) > AGENTS / 2
        token = caller.feed(EVENTS).token
        new = 0
        until = time.monotonic() + DEADLINE
        while new < 10 and time.monotonic() < until:
            events, token = caller.feed(EVENTS, token)
            new += len(events)
        assert new >= 10


def test_most_services_meet_their_service_level(demo: tuple[str, list[str]]) -> None:
    """Most services reach their level, at least one does not, and few agents are at lunch."""
    address, _ = demo
    with logged_in(address) as caller:
        rows = caller.http.post("/realtime/service/stats").json()["stats"]
        # outbound calls that agents make themselves do not count in a service level
        levels = sorted(row["serviceLevel"] for row in rows if row["averageSpeedOfAnswer"])
        assert levels[0] < 80 < levels[len(levels) // 2]
        assert sum(row["totalCallsInQueue"] for row in rows) < AGENTS / 5
        people = caller.http.post("/realtime/service/agents/status").json()["agentDetails"]
        away = [person for person in people if person["reasonCode"] == "LUNCH"]
        assert len(away) < len(people) / 5


def test_port_in_use_is_reported_in_one_line(demo: tuple[str, list[str]], tmp_path: Path) -> None:
    """The line says what to change."""
    address, _ = demo
    port = httpx.URL(address).port
    second = subprocess.run(
        command("demo", "--port", port),
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=DEADLINE,
    )
    assert second.returncode == 1
    assert re.fullmatch(
        rf"floorcast: cannot listen on 127\.0\.0\.1 port {port}: .*--port\n", second.stderr
    )


def test_example_site_matches_the_simulated_floor() -> None:
    """Its token and key match the output, and its services and thresholds fit the simulator."""
    site = tomllib.loads((files("floorcast") / "example_site.toml").read_text("utf-8"))
    (client,) = site["client"]
    assert client["api_tokens"] == [API_TOKEN]
    assert client["ingest_keys"] == [INGEST_KEY]
    known = {service["name"]: service["sla_seconds"] for service in client["service"]}
    for name, service in plan_floor(AGENTS).services.items():
        assert known[name] == service.sla_seconds


def test_a_site_without_the_examples_login_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo prints the login of the example, and its floor sends with the example's key."""
    example = (files("floorcast") / "example_site.toml").read_text("utf-8")
    own = example.replace(INGEST_KEY, "another-ingest-key-01")
    monkeypatch.chdir(tmp_path)
    for text in ("", own, example.replace('"ACME"', '"MINE"')):
        (tmp_path / "site.toml").write_text(text, "utf-8")
        with pytest.raises(SettingError, match=r"site\.toml: the demo needs the example site's"):
            CliRunner().invoke(app, ["demo", "--site", "site.toml"], catch_exceptions=False)


def test_listens_on_loopback_only(tmp_path: Path) -> None:
    """The demo's passwords and keys are public, so no other machine may reach it."""
    arguments = command("demo", "--host", "0.0.0.0", "--port", free_port())
    ended = subprocess.run(
        arguments,
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ended.returncode != 0
    assert "loopback only" in " ".join(ended.stderr.split())
