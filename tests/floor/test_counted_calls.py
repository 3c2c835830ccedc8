"""Tests of the days and services at which a call counts, and of a service's calls in memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.floor.calls import Call
from floorcast.floor.counted_calls import (
    CallResult,
    CountedCall,
    counted,
    counted_at,
    first_offered,
)
from floorcast.floor.floor import Floor
from floorcast.floor.segment_index import SegmentIndex
from floorcast.model.inbound import InboundEvent
from tests.floor.random_floors import call, call_events, fold_all, new_floor, ticks

NOON = ticks(0) // 10_000
HOUR = 3_600_000


def one_call(*events: InboundEvent) -> tuple[Floor, Call]:
    """Return a floor with one call, and the call."""
    floor = new_floor()
    fold_all(floor, list(events))
    (only,) = floor.call_table.calls.values()
    return floor, only


def counts_of(floor: Floor, one: Call) -> list[CountedCall]:
    """Return the days and services at which the call counts."""
    return counted(one, floor.segment_days, floor.ledger.first_day)


def test_a_call_has_an_outcome_at_each_service() -> None:
    """A call counts as moved on at its first service and as handled at the next one."""
    floor, one = one_call(
        call("call.queue", 0, service=10),
        call("call.queue", 10, service=20),
        call("call.answer", 40),
        call("call.end", 60),
    )
    day = floor.calendar.day_of(NOON)
    assert counts_of(floor, one) == [
        (day, 10, NOON, CallResult.MOVED_ON, NOON + 10_000),
        (day, 20, NOON + 10_000, CallResult.HANDLED, NOON + 40_000),
    ]


def test_a_call_that_waits_over_midnight_is_offered_on_both_days() -> None:
    """A call that waits over midnight is offered on both days and abandoned on the second."""
    late = 12 * 3600
    floor, one = one_call(call("call.queue", late - 60, service=10), call("call.end", late + 5))
    day = floor.calendar.day_of(NOON)
    midnight = NOON + 12 * HOUR
    assert counts_of(floor, one) == [
        (day, 10, midnight - 60_000, CallResult.OPEN, None),
        (day + 1, 10, midnight, CallResult.ABANDONED, midnight + 5000),
    ]


@given(st.lists(call_events(), min_size=5, max_size=40))
def test_the_shortcuts_agree_with_the_index(events: list[InboundEvent]) -> None:
    """The shortcuts for one segment and for one day and service agree with the index."""
    floor = new_floor()
    fold_all(floor, events)
    for one in floor.call_table.calls.values():
        index = SegmentIndex(one, floor.segment_days)
        for found in counts_of(floor, one):
            day_service = found.day, found.service
            assert counted_at(one, floor.segment_days, day_service) == found
            assert counted_at(one, floor.segment_days, day_service, index) == found
            if found.offered is not None:
                first = first_offered(one, index, floor.segment_days, day_service)
                assert first is not None
                assert floor.segment_days.offered_at(first, found.day) == found.offered
        assert counted_at(one, floor.segment_days, (0, 10)) is None


@given(st.lists(call_events(), min_size=5, max_size=60))
def test_a_service_lists_its_calls_until_they_leave_memory(events: list[InboundEvent]) -> None:
    """A service lists all calls that have a segment there, until they leave memory."""
    floor = new_floor()
    fold_all(floor, events)
    table = floor.call_table
    for one in table.calls.values():
        for segment in one.segments:
            assert one in table.by_service.of(segment.service)
    keys = list(table.calls)
    list(table.evict_quiet(10**15, 0))
    assert [one.key for one in table.evicted] == keys
    for service in range(40):
        assert list(table.by_service.of(service)) == []
