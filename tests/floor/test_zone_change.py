"""Tests that services' figures move to the days of a new time zone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace

from floorcast.floor.counters import ServiceDay
from floorcast.floor.floor import Floor
from floorcast.floor.intervals import SLOT_MS
from floorcast.model.inbound import InboundEvent
from tests.floor.random_floors import PLAN, call, call_events, new_floor, ticks
from tests.search import tries

# Bangkok's midnight is in the middle of the random events.
ZONES = ["America/New_York", "Asia/Bangkok", "Asia/Kathmandu", "Asia/Tokyo", "Pacific/Pago_Pago"]


def days(floor: Floor) -> object:
    """Return the services' figures by day, without those that are zero."""
    return {
        (day, service): counted
        for day, services in floor.state.counters.service_days.items()
        for service, counted in services.items()
        if counted != ServiceDay()
    }


def slots(floor: Floor) -> object:
    """Return the slots in which anything was counted, by their time, and their waits."""
    found = {}
    for day, services in floor.state.counters.intervals.items():
        midnight = floor.calendar.bounds(day)[0]
        for service, intervals in services.items():
            for slot in (12 * hour + row for hour in intervals.hours for row in range(12)):
                if any(intervals.row(slot)):
                    waits = intervals.waits_of(slot, slot + 1)
                    found[midnight + slot * SLOT_MS, service] = list(intervals.row(slot)), waits
    return found


def before_noon(event: InboundEvent) -> InboundEvent:
    """Return the event 100 seconds earlier."""
    assert event.time is not None
    return replace(event, time=event.time - timedelta(seconds=100))


@pytest.mark.parametrize("new", ZONES)
@hypothesis_settings(max_examples=tries(40), deadline=None)
@given(
    st.sampled_from(ZONES),
    st.lists(call_events().map(before_noon), max_size=30),
    st.data(),
)
def test_services_figures_are_as_if_the_zone_had_never_been_another(
    new: str, old: str, events: list[InboundEvent], data: st.DataObject
) -> None:
    """The days' figures and the intervals begin at the new midnight, and no call counts twice."""
    changed = data.draw(st.integers(0, len(events)))
    moved, same = (new_floor(replace(PLAN, time_zone=zone)) for zone in (old, new))
    for floor in (moved, same):
        for number, event in enumerate(events):
            floor.begin_entry(2 + number, ticks(1 + number))
            if number == changed:
                floor.apply(replace(PLAN, time_zone=new))
                floor.begin_entry(3 + number, ticks(1 + number))
            floor.fold(event, ticks(1 + number), "x")
        if changed == len(events):
            floor.begin_entry(99, ticks(99))
            floor.apply(replace(PLAN, time_zone=new))
    assert slots(moved) == slots(same)
    assert days(moved) == days(same)
    assert moved.ledger.first_day == same.ledger.first_day


def test_yesterday_can_become_today() -> None:
    """West of the old zone, it is still the day before, and its figures are kept."""
    floor = new_floor(replace(PLAN, time_zone="Asia/Tokyo"))
    floor.fold(call("call.start", -7200, service=10, direction="INBOUND"), ticks(1), "x")
    floor.fold(call("call.queue", -7200), ticks(1), "x")
    tokyo = floor.calendar.day_of(ticks(0) // 10_000)
    floor.apply(PLAN)
    assert floor.calendar.day_of(ticks(0) // 10_000) == tokyo - 1
    assert floor.ledger.services_on(tokyo - 1)[10].offered == 1
    assert floor.ledger.first_day == tokyo - 2
