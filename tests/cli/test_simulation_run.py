"""A simulated floor sending to a server: its pace, its batches, and its end."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus

import pytest

from floorcast.cli.replay import MAX_SPEED
from floorcast.cli.simulation_run import Pace, SimulationRun
from floorcast.client import Sender, Timing
from floorcast.client.sending import MAX_BATCH_EVENTS
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.simulator.faults import FAULTS, Faults, Wire
from floorcast.simulator.floor_sizing import floor_of
from floorcast.simulator.simulation import Simulation
from tests.client.intake import DROP, TAKE, Answer, Intake, running

START = datetime(2026, 11, 23, 15, tzinfo=UTC)
HOUR = 3_600_000  # ms
NO_FAULTS = Faults()
BUSY = Answer(HTTPStatus.SERVICE_UNAVAILABLE, {"code": 101, "message": "too busy"})


class Wall(threading.Event):
    """A clock that advances when the run waits for it, and can then stop the run."""

    def __init__(self, stops_at: float = 1e9) -> None:
        super().__init__()
        self.seconds = 0.0
        self._stops_at = stops_at

    def wait(self, timeout: float | None = None) -> bool:
        self.pass_by(timeout or 0.0)
        return self.is_set()

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds
        if self.seconds >= self._stops_at:
            self.set()

    def now(self) -> int:
        return round(self.seconds * TICKS_PER_SECOND)


@contextmanager
def a_floor(
    intake: Intake, wall: Wall, faults: Faults = NO_FAULTS
) -> Iterator[tuple[SimulationRun, Simulation]]:
    """Return a run of a floor with ten agents that sends to an intake."""
    floor, wire = Simulation(floor_of(10), seed=1, start=START), Wire(faults, 1, START)
    with Sender(intake.url, "k", timing=Timing(chance=lambda: 0.0), sleep=wall.pass_by) as sender:
        yield SimulationRun(floor, wire, sender, wall, clock=wall.now), floor


def received(intake: Intake) -> list[str]:
    return [json.loads(line)["id"] for one in intake.requests for line in one.body.splitlines()]


def test_at_full_speed_batches_are_full_and_nothing_waits() -> None:
    """An hour is sent in order in requests of about a thousand events, without pauses."""
    wall = Wall()
    with running() as intake, a_floor(intake, wall) as (work, _):
        work.go_on(Pace(MAX_SPEED, behind=2 * HOUR), 2 * HOUR)
        work.close()
    sizes = [len(one.body.splitlines()) for one in intake.requests]
    assert max(sizes) == MAX_BATCH_EVENTS
    assert len(sizes) < sum(sizes) / 400
    assert received(intake) == [str(number + 1) for number in range(sum(sizes))]
    assert wall.seconds == 0
    assert work.totals.accepted == sum(sizes)


@pytest.mark.parametrize("speed", [0.5, 1.0, 60.0])
def test_the_floor_keeps_the_pace_of_the_clock(speed: float) -> None:
    """The floor's time follows the clock, and no event is sent before its time."""
    wall = Wall()
    with running() as intake, a_floor(intake, wall) as (work, floor):
        work.go_on(Pace(speed, behind=HOUR), 60_000 * speed)
    assert wall.seconds == pytest.approx(60, abs=0.2)
    assert floor.now == 60_000 * speed
    assert work.totals.sent > 10


@pytest.mark.parametrize("speed", [3.0, MAX_SPEED])
def test_a_floor_that_has_caught_up_goes_on_in_real_time(speed: float) -> None:
    """No event is sent before its time, at any speed."""
    wall = Wall()
    with running() as intake, a_floor(intake, wall) as (work, _):
        work.go_on(Pace(speed, behind=40_000), 70_000)
    assert wall.seconds == pytest.approx(30, abs=0.2)


def test_a_beginning_that_is_still_to_come_is_waited_for() -> None:
    """A floor that begins in a minute does nothing until then."""
    wall = Wall()
    with running() as intake, a_floor(intake, wall) as (work, floor):
        work.go_on(Pace(1.0, behind=-60_000), 30_000)
    assert wall.seconds == pytest.approx(90, abs=0.2)
    assert floor.now == 30_000


def test_told_to_stop_it_closes_and_sends_all_that_is_on_its_way() -> None:
    """A floor that is stopped midway ends its calls, logs agents off and sends all held events."""
    wall = Wall(stops_at=20)
    with running() as intake, a_floor(intake, wall, FAULTS) as (work, _):
        work.go_on(Pace(60.0, behind=HOUR))
        work.close()
    assert wall.seconds == pytest.approx(20, abs=0.2)
    ids = {int(one) for one in received(intake)}
    assert ids == set(range(1, max(ids) + 1))
    kinds = Counter(event["type"] for event in intake.received.values())
    states = Counter(event["data"].get("eventType") for event in intake.received.values())
    assert kinds["call.start"] == kinds["call.end"] > 0
    assert states["LOGON"] == states["LOGOFF"] > 0


def test_a_server_that_is_busy_or_dies_gets_each_event_once() -> None:
    """Batches are sent again until the server responds."""
    with running(BUSY, TAKE, DROP, BUSY, TAKE) as intake, a_floor(intake, Wall()) as (work, _):
        work.go_on(Pace(MAX_SPEED, behind=HOUR), HOUR)
        work.close()
    totals = work.totals
    assert len(intake.received) == totals.accepted + totals.duplicates == totals.sent
    assert totals.duplicates > 0
