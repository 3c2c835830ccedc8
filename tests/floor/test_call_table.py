"""Which calls are in memory: as many as the floor has, and none that a figure still needs."""

from __future__ import annotations

from tests.floor.random_floors import call, fold_all, new_floor, ticks

HOUR = 3600


def test_a_quiet_call_leaves_after_four_hours() -> None:
    """It goes to whoever keeps it."""
    floor = new_floor()
    fold_all(floor, [call("call.queue", 200, service=10)])
    floor.begin_entry(50, ticks(4 * HOUR + 100))
    assert len(floor.call_table.calls) == 1
    floor.begin_entry(51, ticks(4 * HOUR + 300))
    assert floor.call_table.calls == {}
    assert [gone.key for gone in floor.call_table.evicted] == [(1, "S1")]


def test_a_call_that_waited_over_midnight_stays_for_that_day() -> None:
    """It is offered in the new day as well, and that is counted from memory."""
    floor = new_floor()
    fold_all(floor, [call("call.queue", 200, service=10)])
    for hour in (3, 6, 9, 11):
        fold_all(floor, [call("call.disposition", hour * HOUR)], begin=hour * HOUR - 200)
    floor.begin_entry(10**6, ticks(20 * HOUR))
    assert len(floor.call_table.calls) == 1
    floor.begin_entry(10**6 + 1, ticks(36 * HOUR + 60))
    assert floor.call_table.calls == {}
