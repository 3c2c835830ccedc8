"""Tests of an agent's day, with the shift, its breaks, and all kinds of events."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.model.states import NOT_READY_REASONS, AgentEventType
from floorcast.simulator.floor_sizing import plan_floor
from floorcast.simulator.scenario import DAY_SECONDS, AgentPlan, Shift
from floorcast.simulator.shifts import MISSED, next_shift
from floorcast.simulator.simulation import Simulation
from tests.simulator.parity import START
from tests.simulator.simulated_events import MINUTE, events_until

HOUR = 60 * MINUTE
PLAN = plan_floor(30)
UNDONE = ("HOLD", "RESUMED", "RECONNECTED", "CONFERENCED")
NEVER_TOLD = {"AGENT_TRANSFER_FAILED"} | {
    f"AGENT_TRANSFER_{what}_{whom}" for what in UNDONE for whom in ("AGENT2", "SUPERVISOR")
}

State = tuple[datetime, str, str | None]


@cache
def days() -> dict[str, list[State]]:
    """Return each agent's events from 6:00 to 1:00 on the next day."""
    found: defaultdict[str, list[State]] = defaultdict(list)
    simulation = Simulation(PLAN, seed=6, start=START, begins_at=6 * 3600.0)
    for event in events_until(simulation, 19 * HOUR, step=HOUR):
        if event.type == "agent.state":
            told = event.data
            state = event.time, str(told["eventType"]), told.get("reason")
            found[str(told["agent"])].append(state)  # type: ignore[arg-type]  # a reason is a text
    return found


def test_all_agent_event_types_and_reasons_occur() -> None:
    """All event types occur except those of a reverted transfer, and all reasons occur."""
    kinds = Counter(kind for states in days().values() for _, kind, _ in states)
    assert set(kinds) == set(get_args(AgentEventType)) - NEVER_TOLD
    reasons = {reason for states in days().values() for _, _, reason in states if reason}
    assert reasons == {*NOT_READY_REASONS, MISSED}


def test_agents_work_their_shift_and_have_one_lunch() -> None:
    """The agent stays about until the end, with half an hour of lunch and at most two breaks."""
    assert len(days()) == len(PLAN.agents)
    for agent in PLAN.agents:
        states = days()[str(agent.name)]
        kinds = [kind for _, kind, _ in states]
        assert kinds[0] == "LOGON"
        assert kinds[-1] == "LOGOFF"
        assert kinds.count("LOGON") == kinds.count("LOGOFF") == 1
        assert agent.shift is not None
        began = (states[0][0] - START).total_seconds() + 6 * 3600
        assert 0 <= began - agent.shift.begins <= 20
        ended = (states[-1][0] - START).total_seconds() + 6 * 3600
        assert agent.shift.ends <= ended <= agent.shift.ends + 2 * 3600
        reasons = [reason for _, _, reason in states if reason]
        assert reasons.count("LUNCH") == 1
        assert reasons.count("BREAK") <= 2


def test_breaks_have_the_expected_lengths() -> None:
    """A break lasts from its event to the agent's next event."""
    for states in days().values():
        for (at, kind, reason), (then, _, _) in pairwise(states):
            if kind == "NOT_READY":
                minutes = (then - at).total_seconds() / 60
                assert minutes <= {"LUNCH": 39, "TRAINING": 33, "MEETING": 20}.get(str(reason), 13)
                assert minutes >= 2


@given(st.integers(0, DAY_SECONDS - 1), st.integers(1, DAY_SECONDS), st.floats(0, DAY_SECONDS - 1))
def test_shift_of_returns_the_current_or_next_shift(begins: int, length: int, clock: float) -> None:
    """The shift ends in the future, and begins within a day at the plan's time of day."""
    plan = AgentPlan("A", "S", shift=Shift(begins, begins + length))
    begins_in, ends_in = next_shift(plan, clock)
    assert ends_in > 0
    assert begins_in < DAY_SECONDS
    assert ends_in - begins_in == pytest.approx(length)
    off = (clock + begins_in - begins + DAY_SECONDS / 2) % DAY_SECONDS - DAY_SECONDS / 2
    assert off == pytest.approx(0, abs=1e-4)
