"""Tests that each text or email has an attempt and then an outcome."""

from __future__ import annotations

from collections import Counter

import pytest

from floorcast.simulator.floor_sizing import plan_floor
from floorcast.simulator.simulation import Simulation
from tests.simulator.parity import START
from tests.simulator.simulated_events import MINUTE, events_until


@pytest.mark.parametrize("kind", ["sms", "email"])
def test_each_message_has_one_attempt_and_one_outcome(kind: str) -> None:
    """The campaign's rate is kept, and both events have the same session."""
    plan = plan_floor(60)
    simulation = Simulation(plan, seed=2, start=START)
    told = [one for one in events_until(simulation, 60 * MINUTE) if one.type == f"{kind}.attempt"]
    first: dict[object, str] = {}
    outcomes: Counter[str] = Counter()
    for event in told:
        outcome = str(event.data["eventType"])
        if outcome == "Attempt":
            assert event.data["sessionId"] not in first
            first[event.data["sessionId"]] = event.id
        else:
            assert first.get(event.data["sessionId"])
            outcomes[outcome] += 1
    wanted = (
        plan.campaigns[0].texts_per_hour if kind == "sms" else plan.campaigns[0].emails_per_hour
    )
    assert len(first) == pytest.approx(wanted, rel=0.4)
    assert outcomes["Delivered"] > 5 * outcomes["Failed"]
    assert outcomes.total() <= len(first)
    assert simulation.truth.messages[f"{kind} Attempt"] == len(first)
