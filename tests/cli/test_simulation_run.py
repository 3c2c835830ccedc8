"""Tests of a simulated floor that sends to a server: its pace, batches and end."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus

import pytest

from floorcast.cli.progress_bar import NoProgress
from floorcast.cli.replay import MAX_SPEED
from floorcast.cli.simulation_run import FloorPace, SimulationRun
from floorcast.client import Sender, Timing
from floorcast.client.sender_protocol import MAX_BATCH_EVENTS
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.simulator.faults import FAULTS, FaultInjector, Faults
from floorcast.simulator.floor_sizing import plan_floor
from floorcast.simulator.simulation import Simulation
from tests.client.intake import DROP, TAKE, Answer, Intake, running

START = datetime(2026, 11, 23, 15, tzinfo=UTC)
HOUR = 3_600_000  # ms
NO_FAULTS = Faults()
BUSY = Answer(HTTPStatus.SERVICE_UNAVAILABLE, {"code": 101, "message": "too busy"})


class FakeClock(threading.Event):
    """A clock that advances when the run waits for it, and can then stop the run."""

    def __init__(self, stops_at: float = 1e9) -> None:
        super().__init__()
        self.seconds = 0.0
        self._stops_at = stops_at

    def wait(self, timeout: float | None = None) -> bool:
        self.advance(timeout or 0.0)
        return self.is_set()

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        if self.seconds >= self._stops_at:
            self.set()

    def now(self) -> int:
        return round(self.seconds * TICKS_PER_SECOND)


@contextmanager
def simulated_floor(
    intake: Intake, clock: FakeClock, faults: Faults = NO_FAULTS
) -> Iterator[tuple[SimulationRun, Simulation]]:
    """Return a run of a floor with ten agents that sends to an intake."""
    floor, wire = Simulation(plan_floor(10), seed=1, start=START), FaultInjector(faults, 1, START)
    with Sender(intake.url, "k", timing=Timing(chance=lambda: 0.0), sleep=clock.advance) as sender:
        yield SimulationRun(floor, wire, sender, clock, clock=clock.now), floor


def received(intake: Intake) -> list[str]:
    return [json.loads(line)["id"] for one in intake.requests for line in one.body.splitlines()]


def test_full_speed_sends_full_batches_without_pauses() -> None:
    """An hour is sent in order in requests of about a thousand events, without pauses."""
    clock = FakeClock()
    with running() as intake, simulated_floor(intake, clock) as (work, _):
        work.run_until(FloorPace(MAX_SPEED, behind=2 * HOUR), 2 * HOUR)
        work.close()
    sizes = [len(one.body.splitlines()) for one in intake.requests]
    assert max(sizes) == MAX_BATCH_EVENTS
    assert len(sizes) < sum(sizes) / 400
    assert received(intake) == [str(number + 1) for number in range(sum(sizes))]
    assert clock.seconds == 0
    assert work.totals.accepted == sum(sizes)


class States(NoProgress):
    """Records the states of a progress display."""

    def __init__(self) -> None:
        self.states: list[str] = []

    def update(self, done: int, state: str = "") -> None:
        self.states.append(state)


def test_progress_has_the_simulated_time_and_the_number_of_events() -> None:
    """An endless floor has no total, so the progress is in words."""
    progress, clock = States(), FakeClock()
    floor, wire = (
        Simulation(plan_floor(10), seed=1, start=START),
        FaultInjector(NO_FAULTS, 1, START),
    )
    with running() as intake, Sender(intake.url, "k", sleep=clock.advance) as sender:
        work = SimulationRun(floor, wire, sender, clock, clock=clock.now, progress=progress)
        for until in (3_000, 720_000, HOUR + 300_000):
            work.run_until(FloorPace(MAX_SPEED, behind=2 * HOUR), until)
    sent = f"{work.totals.sent:,} events sent"
    assert any(state.startswith("3 s simulated, ") for state in progress.states)
    assert any(state.startswith("12 min simulated, ") for state in progress.states)
    assert progress.states[-1] == f"1 h 5 min simulated, {sent}"


@pytest.mark.parametrize("speed", [0.5, 1.0, 60.0])
def test_events_are_sent_at_the_pace_of_the_clock(speed: float) -> None:
    """The floor's time follows the clock, and no event is sent before its time."""
    clock = FakeClock()
    with running() as intake, simulated_floor(intake, clock) as (work, floor):
        work.run_until(FloorPace(speed, behind=HOUR), 60_000 * speed)
    assert clock.seconds == pytest.approx(60, abs=0.2)
    assert floor.now == 60_000 * speed
    assert work.totals.sent > 10


@pytest.mark.parametrize("speed", [3.0, MAX_SPEED])
def test_floor_continues_in_real_time_after_catching_up(speed: float) -> None:
    """No event is sent before its time, at any speed."""
    clock = FakeClock()
    with running() as intake, simulated_floor(intake, clock) as (work, _):
        work.run_until(FloorPace(speed, behind=40_000), 70_000)
    assert clock.seconds == pytest.approx(30, abs=0.2)


def test_floor_with_a_future_start_waits_for_it() -> None:
    """A floor that begins in a minute does nothing until then."""
    clock = FakeClock()
    with running() as intake, simulated_floor(intake, clock) as (work, floor):
        work.run_until(FloorPace(1.0, behind=-60_000), 30_000)
    assert clock.seconds == pytest.approx(90, abs=0.2)
    assert floor.now == 30_000


def test_stopped_floor_closes_and_sends_all_held_events() -> None:
    """A floor that is stopped midway ends its calls, logs agents off and sends all held events."""
    clock = FakeClock(stops_at=20)
    with running() as intake, simulated_floor(intake, clock, FAULTS) as (work, _):
        work.run_until(FloorPace(60.0, behind=HOUR))
        work.close()
    assert clock.seconds == pytest.approx(20, abs=0.2)
    ids = {int(one) for one in received(intake)}
    assert ids == set(range(1, max(ids) + 1))
    kinds = Counter(event["type"] for event in intake.received.values())
    states = Counter(event["data"].get("eventType") for event in intake.received.values())
    assert kinds["call.start"] == kinds["call.end"] > 0
    assert states["LOGON"] == states["LOGOFF"] > 0


def test_events_arrive_once_despite_busy_or_failing_server() -> None:
    """Batches are sent again until the server responds."""
    with (
        running(BUSY, TAKE, DROP, BUSY, TAKE) as intake,
        simulated_floor(intake, FakeClock()) as (work, _),
    ):
        work.run_until(FloorPace(MAX_SPEED, behind=HOUR), HOUR)
        work.close()
    totals = work.totals
    assert len(intake.received) == totals.accepted + totals.duplicates == totals.sent
    assert totals.duplicates > 0
