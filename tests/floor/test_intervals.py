"""Tests that the five-minute slots add up to the day, even with late events and restarts."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.floor.calls import Call
from floorcast.floor.floor import Floor
from floorcast.floor.intervals import (
    MAX_SECONDS,
    MOVED_ON,
    REQUEUED,
    SLOT_MS,
    Column,
    ServiceIntervals,
)
from floorcast.floor.state import from_snapshot, snapshot_parts
from floorcast.model.inbound import InboundEvent
from floorcast.model.states import State
from tests.floor.random_floors import (
    agent,
    agent_events,
    call,
    call_events,
    fold_all,
    missed_offers,
    new_floor,
)

SECONDS = st.integers(0, 200)
DAY = new_floor().calendar.day_of(1_795_453_200_000)


@st.composite
def leaves(draw: st.DrawFn) -> InboundEvent:
    """Draw an event of a call that leaves its queue or its agent."""
    reason = draw(st.sampled_from(MOVED_ON[:REQUEUED]))
    return call("call.leave", draw(SECONDS), draw(st.integers(1, 4)), reason=reason)


STORIES = st.lists(call_events() | agent_events() | leaves() | missed_offers(), max_size=40)


def total(intervals: ServiceIntervals, column: int) -> int:
    """Return the sum of a counter over all slots."""
    return sum(intervals.row(slot)[column] for slot in range(300))


def moved_on(intervals: ServiceIntervals) -> dict[str, int]:
    """Return the number of calls that moved on, by reason."""
    counts = {name: total(intervals, Column.MOVED_ON + i) for i, name in enumerate(MOVED_ON)}
    return {name: count for name, count in counts.items() if count}


def of_day(floor: Floor, service: int = 10) -> ServiceIntervals:
    """Return the slots of a service on the only day."""
    (intervals,) = (days[service] for days in floor.state.counters.intervals.values())
    return intervals


DAY_SUMS = {
    Column.OFFERED: "offered",
    Column.HANDLED: "handled",
    Column.UNQUEUED: "unqueued",
    Column.ANSWERED_WITHIN: "handled_within",
    Column.WAIT: "handled_wait",
    Column.ABANDONED: "abandoned",
    Column.ABANDONED_WAIT: "abandoned_wait",
    Column.ABANDONED_WITHIN: "abandoned_within",
    Column.ABANDONED_SHORT: "abandoned_short",
    Column.TALKS: "talks",
    Column.TALK: "talk",
    Column.WRAP_UP: "wrap_up",
}


@given(STORIES, st.randoms(use_true_random=False))
def test_slots_add_up_to_the_day(story: list[InboundEvent], random: Random) -> None:
    """All figures of calls and agents agree, despite late and repeated events and a restart."""
    mixed = story + random.sample(story, len(story) // 3)
    random.shuffle(mixed)
    floor = new_floor()
    half = len(mixed) // 2
    fold_all(floor, mixed[:half])
    floor = Floor(from_snapshot(list(snapshot_parts(floor.snapshot_state()))))
    fold_all(floor, mixed[half:], begin=2 + half)
    counters = floor.state.counters
    for day, services in counters.service_days.items():
        for service, counted in services.items():
            intervals = counters.intervals.get(day, {}).get(service, ServiceIntervals())
            for column, name in DAY_SUMS.items():
                assert total(intervals, column) == getattr(counted, name), name
            waits = intervals.waits_of(0, 300)
            assert len(waits) == counted.handled - counted.unqueued
    for day, by_service in counters.agent_days.items():
        for service, agents in by_service.items():
            intervals = counters.intervals.get(day, {}).get(service, ServiceIntervals())
            spent = [
                sum(times) for times in zip(*(one.time for one in agents.values()), strict=True)
            ]
            assert total(intervals, Column.READY_TIME) == spent[State.READY]
            assert total(intervals, Column.NOT_READY_TIME) == spent[State.NOT_READY]
            assert total(intervals, Column.WRAP_UP_TIME) == spent[State.WRAP_UP]
            assert total(intervals, Column.HOLD_TIME) == spent[State.HOLD]
            in_call = spent[State.IN_CALL] + spent[State.TRANSFERRING]
            assert total(intervals, Column.IN_CALL_TIME) == in_call
            times = range(Column.READY_TIME, Column.OTHER_TIME + 1)
            assert sum(total(intervals, column) for column in times) == sum(spent)


@given(STORIES, st.randoms(use_true_random=False))
def test_every_offered_call_has_an_outcome_or_waits(
    story: list[InboundEvent], random: Random
) -> None:
    """Every offered call is handled, abandoned, moved on or still waiting (``metrics.md``)."""
    random.shuffle(story)
    floor = new_floor()
    fold_all(floor, story)
    waiting = [
        call.segments[-1].service for call in floor.call_table.calls.values() if call.waiting
    ]
    found = [pair for days in floor.state.counters.intervals.values() for pair in days.items()]
    for service, intervals in found:
        came_to = sum(moved_on(intervals).values())
        # a call that returns and waits again counts only as waiting
        came_to += total(intervals, Column.HANDLED) + total(intervals, Column.ABANDONED)
        again = sum(
            one.segments[-1].service == service
            for one in floor.call_table.calls.values()
            if one.waiting and _is_decided(one, service)
        )
        offered = total(intervals, Column.OFFERED)
        assert offered == came_to + waiting.count(service) - again


def _is_decided(call: Call, service: int) -> bool:
    """Return whether a call that waits at the service was handled or abandoned there before."""
    return any(
        one.service == service and (one.answered is not None or one.abandoned)
        for one in call.segments[:-1]
    )


def test_a_count_belongs_to_the_slot_of_its_time() -> None:
    """A call counts as offered, handled and talked at different times. Times are split by slot."""
    floor = new_floor()
    fold_all(
        floor,
        [
            agent("READY", 0, service=10),
            call("call.start", 10, service=10, direction="INBOUND"),
            call("call.queue", 290),
            call("call.answer", 310, agent="ANN"),
            agent("IN_CALL", 310, call={"transactionId": 1, "sessionId": "S1"}),
            call("call.end", 610),
            agent("READY", 610),
        ],
        begin=1000,
    )
    intervals, noon = of_day(floor), 12 * 3_600_000 // SLOT_MS
    rows = [intervals.row(slot) for slot in range(noon, noon + 3)]
    assert [row[Column.OFFERED] for row in rows] == [1, 0, 0]
    assert [row[Column.HANDLED] for row in rows] == [0, 1, 0]
    assert [row[Column.TALK] for row in rows] == [0, 0, 300_000]
    assert [row[Column.READY_TIME] for row in rows] == [300_000, 10_000, 0]
    assert [row[Column.IN_CALL_TIME] for row in rows] == [0, 290_000, 10_000]
    assert [list(intervals.waits_of(slot, slot + 1)) for slot in (noon, noon + 1)] == [[], [20]]


def test_calls_that_move_on_are_counted_by_reason() -> None:
    """The reason is that of ``call.leave``, or REQUEUED for a call that joins another queue."""
    floor = new_floor()
    fold_all(
        floor,
        [
            call("call.queue", 0, 1, service=10),
            call("call.leave", 20, 1, reason="TIMEOUT"),
            call("call.queue", 0, 2, service=10),
            call("call.queue", 30, 2, service=20),
            call("call.queue", 0, 3, service=10),
            call("call.answer", 5, 3),
            call("call.queue", 60, 3, service=20),
        ],
    )
    intervals = of_day(floor)
    assert moved_on(intervals) == {"TIMEOUT": 1, "REQUEUED": 1}
    assert total(intervals, Column.TRANSFERRED) == 1


def test_a_slot_has_the_maximum_and_last_numbers() -> None:
    """A slot has the highest and the last number of waiting calls and logged-in agents."""
    floor = new_floor()
    floor.begin_entry(2, floor.state.recorded_at)
    fold_all(
        floor,
        [
            call("call.queue", 0, 1, service=10),
            call("call.queue", 0, 2, service=10),
            call("call.end", 5, 1),
            agent("READY", 5, service=10),
        ],
    )
    at = floor.state.recorded_at // 10_000 - floor.calendar.bounds(DAY)[0]
    row = of_day(floor).row(at // SLOT_MS)
    found = [row[one] - 1 for one in (Column.QUEUE_MOST, Column.QUEUE_LAST, Column.AGENTS_MOST)]
    assert found == [2, 1, 1]


def test_sums_of_any_size_are_exact() -> None:
    """A slot's counters are widened if a sum needs more than 32 bits."""
    intervals = ServiceIntervals()
    for _ in range(3):
        intervals.add(0, Column.TALK, 4_000_000_000)
    assert intervals.row(0)[Column.TALK] == 12_000_000_000


def test_a_very_long_wait_is_limited_only_in_percentiles() -> None:
    """A very long wait is limited in percentiles, but the sum stays exact and can be taken back."""
    intervals = ServiceIntervals()
    intervals.add_wait(0, 10**10, 1)
    assert list(intervals.waits_of(0, 1)) == [MAX_SECONDS]
    assert intervals.row(0)[Column.WAIT] == 10**10
    intervals.add_wait(0, 10**10, -1)
    assert (list(intervals.waits_of(0, 1)), intervals.row(0)[Column.WAIT]) == ([], 0)


WAITS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=12)


@given(WAITS, st.integers(0, 12))
def test_waits_are_sorted_in_any_order_of_arrival(
    counted: list[tuple[int, int]], taken_back: int
) -> None:
    """Waits are found by slot, even if answers arrived late or were taken back."""
    intervals = ServiceIntervals()
    for slot, seconds in counted:
        intervals.add_wait(slot * SLOT_MS, seconds * 1000, 1)
    for slot, seconds in counted[:taken_back]:
        intervals.add_wait(slot * SLOT_MS, seconds * 1000, -1)
    kept = sorted(counted[taken_back:])
    for begin in range(6):
        found = [seconds for slot, seconds in kept if begin <= slot < begin + 2]
        assert intervals.waits_of(begin, begin + 2) == found


@pytest.mark.parametrize("slot", [0, 143, 299])
def test_an_hour_without_counts_takes_no_memory(slot: int) -> None:
    """Only the hours in which anything was counted are stored."""
    intervals = ServiceIntervals()
    intervals.add(slot * SLOT_MS, Column.OFFERED, 1)
    assert list(intervals.hours) == [slot // 12]


def test_a_missed_offer_counts_for_the_service_that_had_the_call() -> None:
    """The offer counts again when a later event shows which service had the call at that time."""
    missed = call("agent.missed", 7, agent="ANN", reason="NO_ANSWER")
    floor = new_floor()
    fold_all(floor, [missed, call("call.queue", 20, service=20)])
    assert total(of_day(floor, 20), Column.MISSED) == 1
    fold_all(floor, [call("call.queue", 5, service=10)], begin=4)
    assert total(of_day(floor, 20), Column.MISSED) == 0
    assert total(of_day(floor, 10), Column.MISSED) == 1
