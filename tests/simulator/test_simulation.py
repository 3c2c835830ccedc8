"""Tests that a simulated floor is reproducible and plausible, with the waits that theory gives."""

from __future__ import annotations

import gc
import math
from collections import Counter
from itertools import pairwise
from statistics import fmean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.client.cloud_event import CloudEvent
from floorcast.model.states import EVENT_STATE, State
from floorcast.simulator.floor_sizing import plan_floor
from floorcast.simulator.scenario import FloorPlan
from floorcast.simulator.simulation import Simulation
from tests.search import tries
from tests.simulator.parity import START, as_ndjson
from tests.simulator.simulated_events import MINUTE, by_call, erlang_floor, events_until, seconds

HOUR = 60 * MINUTE
PLAN = plan_floor(25, load=1.0)
PARTS = {"call.start": 0, "call.queue": 1, "call.answer": 2, "call.end": 3}


def working(seed: int, plan: FloorPlan = PLAN, deaths: float = 0.0) -> Simulation:
    return Simulation(plan, seed=seed, start=START, deaths=deaths)


def test_the_same_seed_gives_the_same_bytes_for_any_slices() -> None:
    """Events, ids and times are equal for regular and irregular slices."""
    first = as_ndjson(events_until(working(7), HOUR))
    second = as_ndjson(events_until(working(7), HOUR, step=7_013))
    assert first == second
    assert first != as_ndjson(events_until(working(8), HOUR))
    assert len(first.splitlines()) > 1_000


@settings(max_examples=tries(8))
@given(st.integers(0, 2**64))
def test_every_call_has_a_plausible_sequence(seed: int) -> None:
    """A call starts once, is answered only after a wait or a dial, and ends once."""
    simulation = working(seed)
    events = events_until(simulation, HOUR) + list(simulation.close())
    assert [one.time for one in events] == sorted(one.time for one in events)
    assert len({one.id for one in events}) == len(events)
    for steps in by_call(events).values():
        kinds = [step.type for step in steps if step.type in PARTS]
        assert kinds[0] == "call.start"
        assert kinds[-1] == "call.end"
        assert Counter(kinds)["call.start"] == Counter(kinds)["call.end"] == 1
        inbound = steps[0].data["direction"] == "INBOUND"
        for before, after in pairwise(kinds):
            if after == "call.answer":
                assert before == "call.queue" or (before == "call.start" and not inbound)


@settings(max_examples=tries(8))
@given(st.integers(0, 2**64))
def test_no_agent_serves_two_calls_at_once(seed: int) -> None:
    """An agent's calls do not overlap, and the agent's states match the calls."""
    simulation = working(seed, deaths=2.0)
    events = events_until(simulation, HOUR) + list(simulation.close())
    states: dict[object, State] = {}
    for event in events:
        if event.type != "agent.state":
            continue
        agent, kind = event.data["agent"], str(event.data["eventType"])
        before, after = states.get(agent, State.LOGOFF), EVENT_STATE[kind]
        if kind == "IN_CALL":
            assert before in {State.READY, State.DIALING}
        if kind == "LOGOFF":
            assert before is not State.LOGOFF
        states[agent] = State.READY if after is None else after


def test_closing_the_floor_ends_all_calls() -> None:
    """All agents have logged off, and the true figures match."""
    simulation = working(3)
    events_until(simulation, HOUR)
    truth = simulation.truth
    assert sum(one.talking + len(one.waiting) for one in truth.services.values()) > 5
    simulation.close()
    assert all(agent.state is State.LOGOFF for agent in truth.agents.values())
    for one in truth.services.values():
        assert (one.talking, one.outbound, len(one.waiting)) == (0, 0, 0)
        assert one.offered == one.answered + one.abandoned + one.moved


def test_left_queues_missed_calls_and_late_identification_are_counted() -> None:
    """The true figures match the events, and a missed call continues to wait."""
    simulation = working(11)
    events = events_until(simulation, 3 * HOUR)
    truth = simulation.truth
    told_of = Counter(event.type for event in events)
    reasons = Counter(str(one.data["reason"]) for one in events if one.type == "call.leave")
    left: Counter[str] = sum((one.left for one in truth.services.values()), Counter())
    assert reasons == left
    assert set(reasons) == {"OVERFLOW", "VOICEMAIL"}
    missed = sum(one.missed for one in truth.services.values())
    assert told_of["agent.missed"] == missed == sum(one.missed for one in truth.agents.values()) > 0
    identified = {one.data["transactionId"] for one in events if one.type == "call.update"}
    for event in events:
        if event.type == "call.start" and event.data["transactionId"] in identified:
            assert "account" not in event.data
    assert len(identified) > 10


def test_agents_with_several_services_list_them_at_logon() -> None:
    """The home service comes first. Other agents name a single service."""
    for event in events_until(working(2), HOUR):
        if event.data.get("eventType") == "LOGON":
            served = event.data.get("services", [event.data["service"]])
            assert isinstance(served, list)
            assert served[0] == event.data["service"]
            assert event.data["skill"] == ", ".join(served)


def test_a_source_dies_during_calls() -> None:
    """Answered calls have no end, and their agents send nothing until the source is back."""
    simulation = working(5, deaths=6.0)
    events = events_until(simulation, HOUR)
    events += simulation.close()
    truth = simulation.truth
    lost = [
        steps
        for steps in by_call(events).values()
        if all(step.type != "call.end" for step in steps)
    ]
    assert truth.deaths > 2
    assert len(lost) == sum(one.lost for one in truth.services.values()) > 0
    assert any(step.type == "call.answer" for steps in lost for step in steps)
    logons = Counter(
        event.data["agent"] for event in events if event.data.get("eventType") == "LOGON"
    )
    assert max(logons.values()) > 1


def test_callers_arrive_by_time_of_day_on_every_day() -> None:
    """Most callers come at eleven and none at night. Agents return on the next day."""
    simulation = Simulation(plan_floor(12), seed=1, start=START, begins_at=6 * 3600.0)
    hours: Counter[int] = Counter()
    logons: Counter[int] = Counter()
    for event in events_until(simulation, 40 * HOUR, step=HOUR):
        clock = int(6 + seconds(event) // 3600)
        if event.type == "call.start" and event.data["direction"] == "INBOUND":
            hours[clock] += 1
        logons[clock // 24] += event.data.get("eventType") == "LOGON"
    assert hours[11] > 1.5 * hours[21] > 0
    assert sum(hours[hour] for hour in range(24, 31)) == 0
    assert hours[24 + 11] > 0
    assert logons[0] == logons[1] == 12


def test_a_second_day_needs_no_more_memory() -> None:
    """Memory depends on the size of the floor, not on the simulated time."""
    simulation = Simulation(plan_floor(12), seed=1, start=START, begins_at=6 * 3600.0)
    objects = []
    for midnight in (18, 42):
        for hour in range(midnight - 23, midnight + 1):
            simulation.advance(hour * HOUR)
        gc.collect()
        objects.append(len(gc.get_objects()))
    first, second = objects
    assert second - first < 1_000


# -- Erlang ---------------------------------------------------------------------------------

BATCHES = 20
T_99 = 2.861  # Student's t for 19 degrees of freedom, two-sided 99 %
AGENTS, TALK, CALLS = 8, 120.0, 180.0  # 6 erlangs on 8 agents


def waits(events: list[CloudEvent]) -> list[tuple[float, bool]]:
    """Return the wait of each finished call and whether it was answered, in order of arrival."""
    found = []
    for steps in by_call(events).values():
        times = {step.type: seconds(step) for step in steps}
        over = times.get("call.answer", times.get("call.end"))
        if over is not None:
            found.append((over - times["call.queue"], "call.answer" in times))
    return found


def interval(values: list[float]) -> tuple[float, float]:
    """Return the 99 % confidence interval of the mean, from batch means without the first."""
    size = len(values) // (BATCHES + 1)
    means = [fmean(values[first : first + size]) for first in range(size, size * BATCHES + 1, size)]
    half = T_99 * stdev(means) / math.sqrt(len(means))
    return fmean(means) - half, fmean(means) + half


def queue_lengths(patience: float) -> list[float]:
    """Return the stationary distribution of calls present (Erlang A; C without patience)."""
    weights = [1.0]
    for number in range(1, 2_000):
        leaving = min(number, AGENTS) / TALK + max(0, number - AGENTS) / patience
        weights.append(weights[-1] * CALLS / 3600 / leaving)
    total = sum(weights)
    return [weight / total for weight in weights]


@pytest.mark.parametrize("patience", [math.inf, 150.0], ids=["Erlang C", "Erlang A"])
def test_waits_on_a_stationary_floor_match_erlang(patience: float) -> None:
    """Theory is within the interval of the mean wait, the waiting share and the abandoned share."""
    impatient = None if patience == math.inf else patience
    plan = erlang_floor(AGENTS, CALLS, TALK, impatient)
    found = waits(events_until(working(1917, plan), 100 * HOUR, step=HOUR))
    shares = queue_lengths(patience)
    in_queue = sum(
        (number - AGENTS) * share for number, share in enumerate(shares[AGENTS:], AGENTS)
    )
    expected = {
        "mean wait": in_queue / (CALLS / 3600),
        "waits": sum(shares[AGENTS:]),
        "gives up": in_queue / patience / (CALLS / 3600),
    }
    seen = {
        "mean wait": [wait for wait, _ in found],
        "waits": [float(wait > 0.0015) for wait, _ in found],
        "gives up": [float(not answered) for _, answered in found],
    }
    assert len(found) > 17_000
    for what, theory in expected.items():
        low, high = interval(seen[what])
        assert low <= theory <= high, f"{what}: {theory:.4f} is not in {low:.4f} to {high:.4f}"
        assert high - low <= 0.6 * theory, f"{what}: too few calls to tell"
