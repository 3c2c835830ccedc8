"""Tests of the demo with a data folder, which is killed, restarted and stopped."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from floorcast.cli.demo_floor import DemoClock
from floorcast.model.token import TICKS_PER_SECOND
from tests.cli.test_demo import DEADLINE, example_site, logged_in
from tests.real.server import command, environment, free_port

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


MINUTE = 60 * TICKS_PER_SECOND


class Clocks:
    """The wall clock and the monotonic clock of a machine."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 1_700_000_000 * TICKS_PER_SECOND, 77

    def advance(self, minutes: int, *, step: int = 0) -> None:
        """Let some minutes pass, and then set the wall clock ahead or back by ``step`` minutes."""
        self.wall += (minutes + step) * MINUTE
        self.monotonic += minutes * MINUTE


def test_the_floor_runs_on_at_its_pace_if_the_wall_clock_is_set() -> None:
    """It waits only if its events would be further in the future than the server accepts."""
    clocks = Clocks()
    clock = DemoClock(lambda: clocks.wall, lambda: clocks.monotonic)
    start = clock.began - timedelta(hours=2)

    def due() -> float:
        return clock.due_ms(start) / 60_000

    assert clock.began.timestamp() == 1_700_000_000
    assert due() == 120
    clocks.advance(1, step=180)
    assert due() == 121
    clocks.advance(1, step=-183)
    assert due() == 122
    clocks.advance(1, step=-30)
    assert due() == 123 - 33 + 4
    clocks.advance(29)
    assert due() == 123
    clocks.advance(1, step=33)
    assert due() == 153


@pytest.mark.long
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
