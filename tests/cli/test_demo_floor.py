"""Tests of the demo with a data folder, which is killed, restarted and stopped."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.test_demo import DEADLINE, example_site, logged_in
from tests.real.server import command, environment, free_port

pytestmark = pytest.mark.long

IN_A_CALL = {"In Call", "Hold", "Transferring"}


@contextmanager
def running(folder: Path, *words: str, ready: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a command on the folder until it prints ``ready``. Yields its address and its process."""
    arguments = command(*words, "--data", folder / "data", "--port", free_port())
    with subprocess.Popen(
        arguments, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = ""
        for line in process.stdout:
            address = address or line.split()[-1]
            if ready in line:
                break
        try:
            yield address, process
            process.send_signal(signal.SIGINT)
            process.wait(DEADLINE)
        finally:
            process.kill()


def test_restart_closes_the_floor_of_a_killed_demo(
    tmp_path: Path,
) -> None:
    """No agent or call counts twice. After Ctrl-C, no agent is logged in and no call is waiting."""
    site = str(example_site(tmp_path))
    with running(tmp_path, "demo", "--site", site, ready="continues in real time") as (_, process):
        process.kill()
    with (
        running(tmp_path, "demo", "--site", site, ready="continues in real time") as (address, _),
        logged_in(address) as caller,
    ):
        figures = caller.http.post("/realtime/service/stats")
        at = {"at": figures.headers["feed-token"]}  # the floor continues between two requests
        agents = caller.http.post("/realtime/service/agents/status", json=at)
        people, rows = agents.json()["agentDetails"], figures.json()["stats"]
        talking = sum(one["state"] in IN_A_CALL for one in people)
        assert len({one["agentLoginId"] for one in people}) == len(people) > 0
        assert sum(row["callsWithAgent"] for row in rows) <= talking + len(people) // 10
    with (
        running(tmp_path, "serve", ready="answers at") as (address, _),
        logged_in(address) as caller,
    ):
        assert caller.http.post("/realtime/service/agents/status").json()["agentDetails"] == []
        rows = caller.http.post("/realtime/service/stats").json()["stats"]
        assert sum(row["totalHandled"] for row in rows) > 0
        assert {row["callsWithAgent"] + row["totalCallsInQueue"] for row in rows} == {0}
