"""Tests of ``floorcast simulate``: reproducible events, the truth, and a clean stop."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from floorcast.cli.app import app
from floorcast.cli.simulate import parse_faults
from floorcast.simulator.faults import FAULTS, Faults
from tests.client.intake import Intake
from tests.client.intake import running as intake_running
from tests.real.server import Caller, command, environment, free_port, running
from tests.real.sites import KEYS, in_the_evening

START = "2026-11-23T15:00:00Z"
TIMEOUT = 60  # seconds for a process to exit


def simulate(intake: Intake, *options: str) -> Result:
    arguments = ["simulate", "--key", "k", "--url", intake.url, "--agents", "10", *options]
    return CliRunner().invoke(app, arguments)


def test_same_options_send_the_same_bytes() -> None:
    """With the same start, a second run sends only duplicates, unless it has another seed."""
    options = ("--speed", "max", "--hours", "0.5", "--start", START)
    with intake_running() as intake:
        first = simulate(intake, *options)
        sent = [one.body for one in intake.requests]
        again = simulate(intake, *options)
        assert [one.body for one in intake.requests] == sent * 2
        assert simulate(intake, *options, "--seed", "2").exit_code == 0
        assert [one.body for one in intake.requests][len(sent) * 2 :] != sent
    assert first.exit_code == again.exit_code == 0
    assert "duplicates 0" in first.stdout
    assert "accepted 0" in again.stdout


def test_true_figures_are_printed_and_written(tmp_path: Path) -> None:
    """The table and the JSON have the figures of the events that were sent."""
    file = tmp_path / "truth.json"
    with intake_running() as intake:
        result = simulate(
            intake, "--speed", "max", "--hours", "1", "--faults", "all", "--truth", str(file)
        )
    assert result.exit_code == 0, result.output
    assert "60 of 60 minutes of the floor" in result.stderr
    truth = json.loads(file.read_text())
    kinds = Counter(event["type"] for event in intake.received.values())
    services = {row["serviceName"]: row for row in truth["services"]}
    assert sum(row["begun"] for row in services.values()) == kinds["call.start"] > 50
    assert sum(row["totalHandled"] for row in services.values()) == kinds["call.answer"]
    assert truth["faults"]["duplicates"] > 0
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("PS ")]
    assert str(services["PS"]["totalOffered"]) in line.split()


def test_truth_file_write_error_names_the_file() -> None:
    """The error follows the tables, so that the truth is not lost."""
    with intake_running() as intake:
        ran = subprocess.run(
            command(
                "simulate", "--key", "k", "--url", intake.url, "--agents", 10, "--speed", "max",
                "--hours", 0.1, "--truth", "/dev/full",
            ),
            capture_output=True, text=True, check=False, env=environment(), timeout=TIMEOUT,
        )  # fmt: skip
    assert ran.returncode == 1
    assert "rejected 0" in ran.stdout
    last = ran.stderr.splitlines()[-1]
    assert last == "floorcast: /dev/full cannot be written: No space left on device"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--agents", "9"), "--agents"),
        (("--agents", "10001"), "--agents"),
        (("--speed", "0"), "must be max or a number above 0"),
        (("--hours", "0"), "--hours"),
        (("--hours", "inf", "--speed", "max"), "--hours"),
        (("--load", "-1"), "--load"),
        (("--load", "inf"), "--load"),
        (("--clock", "noon"), "must be a time such as 10:00, not 'noon'"),
        (("--faults", "late,fire"), "'fire': expected all, or some of duplicates, late"),
        (("--faults", "late=2"), "'late=2': expected all"),
        (("--start", "today"), "--start"),
        (("--truth", "/nowhere/truth.json"), "/nowhere/truth.json: No such file or directory"),
    ],
)
def test_invalid_options_are_refused_before_sending(options: tuple[str, ...], says: str) -> None:
    """The error is one line with the option's name, and the exit code is 2."""
    with intake_running() as intake:
        result = simulate(intake, *options)
        assert intake.requests == []
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", Faults()),
        ("all", FAULTS),
        ("late", Faults(late=FAULTS.late)),
        ("duplicates=0.5, deaths=12", Faults(duplicates=0.5, deaths=12)),
    ],
)
def test_faults_can_have_a_rate(text: str, faults: Faults) -> None:
    """A fault without a rate has its default rate."""
    assert parse_faults(text) == faults


def figures(rows: list[dict[str, Any]], names: tuple[str, ...]) -> dict[str, list[Any]]:
    """Return some figures of the services that received calls."""
    return {
        row["serviceName"]: [row[name] for name in names] for row in rows if row["totalOffered"]
    }


def test_server_figures_equal_the_truth(tmp_path: Path) -> None:
    """With all faults, and stopped in real time, it closes the floor and reports its truth."""
    file = tmp_path / "truth.json"
    names = (
        "totalOffered", "totalHandled", "totalAbandoned", "averageSpeedOfAnswer",
        "averageTalkDuration", "averageWrapupDuration", "averageDurationToAbandon",
    )  # fmt: skip
    with running(tmp_path, site=in_the_evening()) as server, Caller(server.url) as caller:
        arguments = command(
            "simulate", "--url", server.url, "--key", KEYS["ACME"], "--agents", 15,
            "--truth", file,
        )  # fmt: skip
        quick = [*arguments, "--speed", "max", "--hours", "0.4", "--faults", "all"]
        subprocess.run(quick, check=True, capture_output=True, timeout=TIMEOUT, env=environment())
        caller.login()
        answer = caller.http.post("/realtime/service/stats").json()["stats"]
        truth = json.loads(file.read_text())["services"]
        assert figures(answer, names) == figures(truth, names)
        live = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()
        )
        received = 'floorcast_intake_events_total{outcome="accepted"}'
        before = caller.metric_value(received)
        while caller.metric_value(received) == before:
            assert live.poll() is None
        live.send_signal(signal.SIGTERM)
        output, _ = live.communicate(timeout=TIMEOUT)
        assert live.returncode == 0
        assert b"rejected 0" in output
        assert caller.http.post("/realtime/service/agents/status").json()["agentDetails"] == []


def test_stop_before_the_first_accepted_event_prints_only_the_reason() -> None:
    """The exit code is 1, and no tables are printed, because the server has seen no floor."""
    arguments = command("simulate", "--url", f"http://127.0.0.1:{free_port()}", "--key", "k")
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    ) as process:
        assert process.stderr is not None
        assert "; trying again in " in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        output, problem = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert not output
    assert "stopped while the server did not accept the events" in problem
