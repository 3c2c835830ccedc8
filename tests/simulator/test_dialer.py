"""Tests that the dialer follows the number of ready agents."""

from __future__ import annotations

from floorcast.simulator.floor_sizing import OUTBOUND, plan_floor
from floorcast.simulator.simulation import Simulation
from tests.simulator.parity import START
from tests.simulator.simulated_events import MINUTE, by_call, events_until, seconds

HOUR = 60 * MINUTE


def test_the_dialer_follows_the_number_of_ready_agents() -> None:
    """It never uses too many lines, and most people who answer get an agent at once."""
    plan = plan_floor(60)
    simulation = Simulation(plan, seed=2, start=START)
    events = events_until(simulation, HOUR)
    (campaign,) = [one for one in plan.campaigns if one.service == OUTBOUND]
    agents = sum(agent.service == OUTBOUND for agent in plan.agents)
    ringing = most = 0
    for event in events:
        if event.data.get("campaign") == campaign.name and event.type == "call.start":
            ringing += 1
        elif event.type == "call.queue" and event.data["service"] == OUTBOUND:
            ringing -= 1
        elif event.data.get("lvResult") in {"No Answer", "Busy", "Answering Machine"}:
            ringing -= event.source.endswith("/acd")
        most = max(most, ringing)
    assert 0 < most <= agents * campaign.lines_per_agent + 1
    waits = [
        seconds(steps[index + 1]) - seconds(step)
        for steps in by_call(events).values()
        for index, step in enumerate(steps[:-1])
        if step.type == "call.queue" and step.data["service"] == OUTBOUND
    ]
    assert len(waits) > 100
    assert sum(wait < 1 for wait in waits) > 0.8 * len(waits)


def test_nobody_is_dialed_without_agents() -> None:
    """No call begins at night."""
    simulation = Simulation(plan_floor(20), seed=2, start=START, begins_at=1 * 3600.0)
    assert not any(event.type == "call.start" for event in events_until(simulation, 5 * HOUR))
