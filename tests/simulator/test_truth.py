"""Tests that the simulator's truth equals a server's statistics in all common figures."""

from __future__ import annotations

import os
import random

import pytest

from floorcast.model.token import TICKS_PER_SECOND
from floorcast.simulator.faults import FAULTS, Faults
from floorcast.simulator.floor_sizing import plan_floor
from floorcast.simulator.people import Person
from floorcast.simulator.simulated_call import SimulatedCall
from floorcast.simulator.true_figures import AgentTruth
from floorcast.simulator.truth import Truth
from tests.real.nodes import Clock, NodeHarness, temporary_folder
from tests.simulator.parity import START, Parity, site_of

HOUR = 3_600_000
CHANCE = random.Random(7) if "CI" in os.environ else random.SystemRandom()
SEEDS = [CHANCE.randrange(2**32) for _ in range(3)]


def held_against_a_server(seed: int, faults: Faults, agents: int = 30) -> Parity:
    """Simulate an hour, and compare at irregular times, at the end, and after closing."""
    plan = plan_floor(agents, load=1.1, seed=seed)
    clock = Clock(int(START.timestamp()) * TICKS_PER_SECOND)
    with temporary_folder() as folder:
        house = NodeHarness(folder, clock, site=site_of(plan))
        try:
            parity = Parity(house, clock, plan, seed, faults)
            for moment in (HOUR // 3 + 137, HOUR):
                parity.advance(moment)
                if faults != Faults():
                    parity.settle()
                assert parity.differences() == [], f"seed {seed} at {moment}"
            parity.close()
            assert parity.differences() == [], f"seed {seed}, closed"
        finally:
            house.end()
    return parity


@pytest.mark.parametrize("seed", SEEDS, ids=["one", "two", "three"])
def test_all_figures_match_the_server(seed: int) -> None:
    """Services, agents, averages, campaigns, states and waiting calls agree at every time."""
    truth = held_against_a_server(seed, Faults()).simulation.truth
    services = truth.services.values()
    assert sum(one.answered for one in services) > 100
    assert sum(one.abandoned for one in services) > 0
    assert sum(one.moved + one.passed_on for one in services) > 0


@pytest.mark.parametrize("seed", SEEDS, ids=["one", "two", "three"])
def test_faults_do_not_change_figures(seed: int) -> None:
    """Faults include duplicate, late and reordered events, and failing sources."""
    faults = Faults(FAULTS.duplicates, FAULTS.late, FAULTS.reordered, deaths=12.0)
    parity = held_against_a_server(seed, faults)
    happened = parity.wire.counts
    assert min(happened[one] for one in ("duplicates", "late", "reordered")) > 20
    assert parity.simulation.truth.deaths > 0


def test_a_transferred_lost_call_stays_with_the_second_agent() -> None:
    """Later events of the first agent have no effect on the call."""
    truth = Truth({"Sales": 20, "Support": 20})
    truth.agents = {name: AgentTruth("Sales") for name in ("ann", "bob")}
    person = Person("Ann", "Other", "2125550100", "A1", "NY", "10001")
    passed_on, next_one = (SimulatedCall(n, str(n), "Sales", "INBOUND", person) for n in (1, 2))
    passed_on.answered = 0
    truth.record_answer(passed_on, "ann", 0)
    truth.record_transfer(passed_on, "ann", 1_000)
    passed_on.service = "Support"
    passed_on.answered = 2_000
    truth.record_answer(passed_on, "bob", 2_000)
    truth.record_lost(passed_on)
    next_one.answered = 3_000
    truth.record_answer(next_one, "ann", 3_000)
    assert truth.services["Support"].talking == 1
