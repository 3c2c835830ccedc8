"""Tests of agents who dial without the dialer, with a preview or manually."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from floorcast.simulator.floor_sizing import MANUAL, plan_floor
from floorcast.simulator.simulation import Simulation
from tests.simulator.parity import START
from tests.simulator.simulated_events import MINUTE, by_call, events_until

HOUR = 60 * MINUTE
NEXT = {
    "PREVIEW_DIAL_OFFERED": {"PREVIEW_DIAL_ACCEPTED", "PREVIEW_DIAL_SKIPPED"},
    "PREVIEW_DIAL_ACCEPTED": {"DIALING"},
    "PREVIEW_DIAL_SKIPPED": {"READY", "NOT_READY"},
    "MANUAL_DIAL": {"DIALING"},
    "DIALING": {"IN_CALL", "WRAP_UP"},
}


def test_each_dial_follows_a_valid_sequence() -> None:
    """A record is offered, accepted or skipped, dialed, and answered or given a disposition."""
    simulation = Simulation(plan_floor(60), seed=2, start=START)
    events = events_until(simulation, HOUR)
    ways: defaultdict[object, list[str]] = defaultdict(list)
    for event in events:
        if event.type == "agent.state" and event.data["service"] == MANUAL:
            ways[event.data["agent"]].append(str(event.data["eventType"]))
    seen = {before for way in ways.values() for before, after in pairwise(way)}
    assert set(NEXT) <= seen
    for way in ways.values():
        for before, after in pairwise(way):
            assert after in NEXT.get(before, {after})


def test_self_dialed_calls_skip_the_queue() -> None:
    """The direction is MANUAL for manual dialing and OUTBOUND for previews."""
    simulation = Simulation(plan_floor(60), seed=2, start=START)
    own = [
        steps
        for steps in by_call(events_until(simulation, HOUR)).values()
        if steps[0].data["service"] == MANUAL
    ]
    assert {steps[0].data["direction"] for steps in own} == {"MANUAL", "OUTBOUND"}
    assert not any(step.type == "call.queue" for steps in own for step in steps)
    assert any(step.type == "call.answer" for steps in own for step in steps)
