"""Tests that calls which have left memory are stored, reloaded and listed."""

from __future__ import annotations

from floorcast.floor.counted_calls import CallResult
from floorcast.floor.view import FloorView
from floorcast.model.token import end_of_entry, position
from floorcast.projection.evicted_calls import EvictedCalls, reload_calls, store_evicted_calls
from floorcast.store.projection_store import ProjectionStore
from tests.floor.random_floors import call, new_floor, ticks
from tests.statistics.floors import moment_at

LATER = ticks(9_999) // 10_000
DAY = FloorView(new_floor()).day_of(moment_at(0).now).number


def test_a_call_is_listed_while_it_is_out_of_memory() -> None:
    """A call is listed at each position between its eviction and the event that reloads it."""
    floor = new_floor()
    store = ProjectionStore(None, lambda: ticks(0), identity="log", heads={})
    floor.fold(call("call.queue", 0, service=10), ticks(1), "-")
    floor.fold(call("call.end", 5), ticks(2), "-")
    floor.begin_entry(3, ticks(3))
    list(floor.call_table.evict_ended(LATER))
    store_evicted_calls(floor, store, 3)
    assert floor.call_table.evicted == []
    key = (1, "S1")

    def listed(reached: int) -> list[tuple[tuple[int, str], CallResult]]:
        found = EvictedCalls(store, 1, (DAY, 10), reached)
        return [(one, counted.result) for some in found for one, counted in some]

    assert listed(end_of_entry(2)) == []
    assert listed(position(3, 0)) == [(key, CallResult.ABANDONED_WITHIN)]
    found = EvictedCalls(store, 1, (DAY, 10), position(3, 0)).find([key, (2, "S2")])
    assert [one.ended for one in found.values()] == [moment_at(5).now]
    reload_calls(floor, store, [key], 3, 4)
    assert key in floor.call_table.calls
    assert listed(position(3, 3)) == [(key, CallResult.ABANDONED_WITHIN)]
    assert listed(position(3, 4)) == []
    # a late answer changes the call
    floor.fold(call("call.answer", 4), ticks(4), "-")
    floor.begin_entry(4, ticks(5))
    list(floor.call_table.evict_ended(LATER))
    store_evicted_calls(floor, store, 4)
    assert listed(end_of_entry(4)) == [(key, CallResult.HANDLED_WITHIN)]


def test_a_quiet_call_is_listed_as_open() -> None:
    """A call that never ended has no result, and still counts as offered."""
    floor = new_floor()
    store = ProjectionStore(None, lambda: ticks(0), identity="log", heads={})
    floor.fold(call("call.queue", 0, service=10), ticks(1), "-")
    list(floor.call_table.evict_quiet(LATER * 1000, 0))
    store_evicted_calls(floor, store, 3)
    rows = [one for some in EvictedCalls(store, 1, (DAY, 10), position(3, 0)) for one in some]
    assert [(key, one.offered, one.result) for key, one in rows] == [
        ((1, "S1"), moment_at(0).now, CallResult.OPEN)
    ]


def test_a_call_that_is_not_stored_is_not_reloaded() -> None:
    """A call that is not stored begins with the event that names it."""
    floor = new_floor()
    store = ProjectionStore(None, lambda: ticks(0), identity="log", heads={})
    reload_calls(floor, store, [(1, "S1")], 2, 0)
    assert floor.call_table.calls == {}
