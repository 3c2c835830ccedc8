"""Tests that floors with ten to ten thousand agents are plausible."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.simulator.bank_parameters import load_parameters
from floorcast.simulator.floor_sizing import MANUAL, MAX_AGENTS, MIN_AGENTS, OUTBOUND, plan_floor
from floorcast.simulator.scenario import DAY_SECONDS, HALF_HOUR, FloorPlan, ServicePlan
from tests.search import tries


def work(service: ServicePlan) -> float:
    """Return the agents' time that a day's callers need, in seconds."""
    calls = sum(service.calls_per_hour) / 2 * (1 - service.gives_up_in_ivr)
    return calls * (service.talk.mean + service.wrap_up.mean)


def there(plan: FloorPlan, clock: int) -> int:
    shifts = [agent.shift for agent in plan.agents if agent.shift is not None]
    return sum(shift.begins <= clock < shift.ends for shift in shifts)


@settings(max_examples=tries(25))
@given(st.integers(MIN_AGENTS, 400), st.floats(0.2, 2.0), st.integers(0, 99))
def test_agents_and_callers_are_in_proportion(agents: int, load: float, seed: int) -> None:
    """The number of agents is as requested, and callers need ``load`` of their service's time."""
    plan = plan_floor(agents, load=load, seed=seed)
    assert len(plan.agents) == agents
    assert len({agent.login for agent in plan.agents}) == agents
    staff = Counter(agent.service for agent in plan.agents)
    assert set(staff) == set(plan.services)
    assert {"PS", OUTBOUND, MANUAL} <= set(staff)
    for name, service in plan.services.items():
        if service.calls_per_hour:
            hours = staff[name] * 8.5 * 0.88
            assert work(service) / 3600 == pytest.approx(load * hours)
    for agent in plan.agents:
        assert agent.service not in agent.skills
        assert {agent.service, *agent.skills} <= set(plan.services)
        assert agent.shift is not None
        assert 0 <= agent.shift.begins < agent.shift.ends <= DAY_SECONDS


def test_shifts_follow_the_daily_curve_of_calls() -> None:
    """In each half hour of the day there are about as many agents as calls."""
    plan = plan_floor(300)
    curve = load_parameters().half_hours[14:]
    staffed = [there(plan, (14 + index) * HALF_HOUR) for index in range(len(curve))]
    shares = [count / sum(staffed) for count in staffed]
    wanted = [count / sum(curve) for count in curve]
    assert max(abs(a - b) for a, b in zip(shares, wanted, strict=True)) < 0.02
    assert there(plan, 3 * 3600) == 0


def test_the_largest_floor_is_created_quickly() -> None:
    """It has ten thousand agents with unique names."""
    plan = plan_floor(MAX_AGENTS)
    assert len({agent.login for agent in plan.agents}) == MAX_AGENTS
    assert set(load_parameters().services) <= set(plan.services)


def test_floors_with_different_seeds_have_different_agents() -> None:
    """Two floors can share a server, such as the demo's."""
    first, second = ({agent.login for agent in plan_floor(120, seed=s).agents} for s in (1, 1999))
    assert not first & second


@pytest.mark.parametrize("agents", [MIN_AGENTS - 1, MAX_AGENTS + 1])
def test_unsupported_sizes_are_rejected(agents: int) -> None:
    """The error message has the allowed sizes."""
    with pytest.raises(ValueError, match="a floor has 10 to 10000 agents, not"):
        plan_floor(agents)
