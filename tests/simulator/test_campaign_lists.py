"""Tests of a campaign's list, whose people are called during their daytime and counted once."""

from __future__ import annotations

from collections import defaultdict

from floorcast.simulator.floor_sizing import plan_floor
from floorcast.simulator.simulation import Simulation
from tests.simulator.parity import START
from tests.simulator.simulated_events import MINUTE, events_until, seconds

HOUR = 60 * MINUTE


def test_people_are_called_only_from_eight_to_nine_local_time() -> None:
    """The called person's local time decides. The floor's clock shows Eastern time."""
    simulation = Simulation(plan_floor(40), seed=4, start=START, begins_at=7 * 3600.0)
    called: defaultdict[object, set[int]] = defaultdict(set)
    for event in events_until(simulation, 16 * HOUR, step=HOUR):
        if event.type == "call.start" and event.data["direction"] != "INBOUND":
            called[event.data["areaCodeState"]].add(int(7 + seconds(event) / 3600))
    assert min(called["NY"]) == 8
    assert max(called["NY"]) == 20
    assert min(called["CA"]) == 11
    assert max(called["CA"]) > 21
    assert min(called["HI"]) >= 13


def test_reported_counts_add_up() -> None:
    """loaded = completed + remaining, and the zones never have more than the remaining."""
    simulation = Simulation(plan_floor(40), seed=4, start=START)
    told = [
        event.data
        for event in events_until(simulation, HOUR)
        if event.type == "campaign.update" and event.data["campaign"] == "Past due 0"
    ]
    assert len(told) > 100
    for data in told:
        zones, remaining = data["timezones"], data["remaining"]
        assert isinstance(zones, dict)
        assert isinstance(remaining, int)
        assert data["loaded"] == remaining + int(str(data["completed"]))
        assert sum(zones.values()) <= remaining
        assert data["state"] == "PLAYING"
    assert int(str(told[-1]["completed"])) > int(str(told[0]["completed"]))
