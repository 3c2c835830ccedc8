"""Tests that totals match the days, never decrease, and survive restarts and midnights."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from floorcast.floor.floor import Floor
from floorcast.floor.service_totals import WAIT_BOUNDS, ServiceTotals, Total
from floorcast.floor.state import from_snapshot, snapshot_parts
from floorcast.model.inbound import InboundEvent
from tests.floor.random_floors import agent_events, call, call_events, fold_all, new_floor, ticks

STORIES = st.lists(call_events() | agent_events(), max_size=40)


@given(STORIES, st.randoms(use_true_random=False))
def test_totals_match_the_day_and_never_decrease(story: list[InboundEvent], random: Random) -> None:
    """Totals match the day and never decrease, despite late and repeated events and a restart."""
    mixed = story + random.sample(story, len(story) // 3)
    random.shuffle(mixed)
    floor, shown = new_floor(), dict[int, list[int]]()
    for number, one in enumerate(mixed, 2):
        if number == len(mixed) // 2:
            floor = Floor(from_snapshot(list(snapshot_parts(floor.snapshot_state()))))
        fold_all(floor, [one], begin=number)
        for service, totals in floor.state.counters.totals.items():
            before = shown.get(service, totals.most)
            assert all(a <= b for a, b in zip(before, totals.most, strict=True))
            shown[service] = totals.most[:]
    for services in floor.state.counters.service_days.values():
        for service, day in services.items():
            now = floor.state.counters.totals.get(service, ServiceTotals()).now
            assert now[Total.OFFERED] == day.offered
            assert now[Total.HANDLED] == day.handled
            assert now[Total.ABANDONED] == day.abandoned
            assert now[Total.ANSWERED_WITHIN] == day.handled_within
            assert now[Total.WAIT] == day.handled_wait
            assert sum(now[Total.BUCKETS :]) == day.handled - day.unqueued


def test_a_total_continues_after_midnight() -> None:
    """A day's counters are dropped two days later, but the totals stay."""
    floor = new_floor()
    fold_all(floor, [call("call.queue", 0, 1, service=10), call("call.end", 5, 1)])
    floor.begin_entry(90, ticks(3 * 86_400))
    floor.fold(call("call.queue", 3 * 86_400, 2, service=10), ticks(3 * 86_400), "-")
    totals = floor.state.counters.totals[10]
    assert (totals.most[Total.OFFERED], totals.most[Total.ABANDONED]) == (2, 1)


def test_a_bucket_includes_its_upper_bound() -> None:
    """A bucket includes its upper bound. Waits beyond the last bound are in the last bucket."""
    totals = ServiceTotals()
    for wait in (0, 5_000, 5_001, 601_000):
        totals.add_wait(wait, 1)
    buckets = totals.most[Total.BUCKETS :]
    assert (buckets[:2], buckets[-1], len(buckets)) == ([2, 1], 1, len(WAIT_BOUNDS) + 1)


def test_a_correction_does_not_decrease_a_total() -> None:
    """A total does not decrease, because Prometheus would treat a lower value as a restart."""
    totals = ServiceTotals()
    shown = []
    for amount in (1, 1, -1, 1, 1):
        totals.add(Total.ABANDONED, amount)
        shown.append(totals.most[Total.ABANDONED])
    assert shown == [1, 2, 2, 2, 3]
