"""Tests that simulated transport faults occur as configured and do not lose events."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.client.cloud_event import CloudEvent
from floorcast.simulator.faults import FAULTS, MAX_DELAY_SECONDS, FaultInjector, Faults
from floorcast.simulator.floor_sizing import plan_floor
from floorcast.simulator.simulation import Simulation
from tests.search import tries
from tests.simulator.parity import START, as_ndjson
from tests.simulator.simulated_events import MINUTE, events_until

HOUR = 60 * MINUTE
EVENTS = events_until(Simulation(plan_floor(20), seed=2, start=START), HOUR)


def carried(
    faults: Faults, seed: int, step: int = MINUTE
) -> tuple[list[CloudEvent], FaultInjector]:
    """Return the hour's events in order of arrival, including delayed events."""
    wire, arrived, left = FaultInjector(faults, seed, START), [], list(EVENTS)
    for upto in range(step, HOUR + step, step):
        edge = START + timedelta(milliseconds=upto)
        due = [event for event in left if event.time < edge]
        left = left[len(due) :]
        arrived += wire.deliver(due, upto)
    return arrived + wire.flush(), wire


def test_without_faults_events_arrive_once_and_in_order() -> None:
    """There is no delay."""
    arrived, wire = carried(Faults(), 1)
    assert arrived == EVENTS
    assert not any(wire.counts.values())


@settings(max_examples=tries(10))
@given(st.builds(Faults, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), st.integers(0, 2**32))
def test_no_event_is_lost_or_changed(faults: Faults, seed: int) -> None:
    """Each event arrives unchanged and never early. Only duplicates arrive again."""
    arrived, wire = carried(faults, seed)
    assert len(arrived) == len(EVENTS) + wire.counts["duplicates"]
    assert {event.id: event for event in arrived} == {event.id: event for event in EVENTS}
    assert as_ndjson(arrived) == as_ndjson(carried(faults, seed)[0])


def test_faults_occur_at_the_configured_rates() -> None:
    """Events are duplicated, reordered, and late by minutes."""
    arrived, wire = carried(FAULTS, 3)
    times = Counter(event.id for event in arrived)
    twice = sum(count > 1 for count in times.values())
    assert twice == wire.counts["duplicates"]
    assert 0.03 < twice / len(EVENTS) < 0.07
    assert 0.01 < wire.counts["late"] / len(EVENTS) < 0.03
    first: dict[str, int] = {}
    for place, event in enumerate(arrived):
        first.setdefault(event.id, place)
    places = [first[event.id] for event in EVENTS]
    overtaken = sum(place < max(places[:index], default=0) for index, place in enumerate(places))
    assert overtaken > 100
    assert wire.counts["reordered"] > 100


def test_agent_states_with_equal_times_keep_their_order() -> None:
    """Other agent states can overtake each other. Duplicates are not considered."""
    arrived, _ = carried(Faults(duplicates=0.3, late=0.3, reordered=0.5), 4)
    seen: set[str] = set()
    by_agent: defaultdict[object, list[CloudEvent]] = defaultdict(list)
    for event in arrived:
        if event.id not in seen and event.type == "agent.state":
            by_agent[event.data["agent"]].append(event)
        seen.add(event.id)
    assert len(by_agent) > 5
    overtaken = 0
    for events in by_agent.values():
        for before, event in pairwise(events):
            overtaken += before.time > event.time
            assert before.time != event.time or int(before.id) < int(event.id)
    assert overtaken > 10


@pytest.mark.parametrize("seed", range(3))
def test_no_event_is_too_late_to_count(seed: int) -> None:
    """This includes agent states that are delayed until a call's event with the same time."""
    wire, seen, left = FaultInjector(Faults(late=1.0), seed, START), set[str](), list(EVENTS)
    for upto in range(MINUTE, 3 * HOUR, MINUTE):
        edge = START + timedelta(milliseconds=upto)
        due = [event for event in left if event.time < edge]
        left = left[len(due) :]
        for event in wire.deliver(due, upto):
            late = (edge - event.time).total_seconds()
            assert event.id in seen or late <= MAX_DELAY_SECONDS + MINUTE / 1000
            seen.add(event.id)
    assert len(seen) == len(EVENTS)
