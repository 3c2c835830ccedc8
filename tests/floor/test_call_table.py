"""Tests that the calls in memory are bounded, but complete enough for the figures."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.floor import call_table
from floorcast.floor.call_table import EVICTED_PER_STEP, CallTable
from floorcast.floor.calls import Call
from floorcast.model.inbound import InboundEvent
from tests.floor.random_floors import (
    agent,
    agent_events,
    call,
    call_events,
    fold_all,
    missed_offers,
    new_floor,
    ticks,
)

HOUR = 3600


def test_a_quiet_call_is_evicted_after_four_hours() -> None:
    """A call without an event for four hours leaves memory and goes to ``evicted``."""
    floor = new_floor()
    fold_all(floor, [call("call.queue", 200, service=10)])
    floor.begin_entry(50, ticks(4 * HOUR + 100))
    assert len(floor.call_table.calls) == 1
    floor.begin_entry(51, ticks(4 * HOUR + 300))
    assert floor.call_table.calls == {}
    assert [gone.key for gone in floor.call_table.evicted] == [(1, "S1")]


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 90), st.booleans()), max_size=40))
def test_the_calls_that_leave_are_those_without_an_event(
    steps: list[tuple[int, int, bool]],
) -> None:
    """Whatever was checked before, exactly the quiet calls leave, also those loaded again."""
    quiet_minutes, minute = 60, 60_000
    table = CallTable([], quiet_minutes * minute)
    last: dict[int, int] = {}
    out: dict[int, Call] = {}
    now = 10 * 24 * HOUR * 1000
    for number, minutes, reloads in steps:
        key = (number, "S")
        if reloads and number in out:
            table.reload(out.pop(number))
        elif number not in out:
            table.touch(key, now, now)
            last[number] = now
        now += minutes * minute
        before = dict(table.calls)
        list(table.evict_quiet(now, now - now % (24 * HOUR * 1000)))
        gone = {one for one in last if last[one] + quiet_minutes * minute <= now}
        assert {one for one, _ in table.calls} == last.keys() - gone
        out.update((one, call) for (one, _), call in before.items() if one in gone)


def test_evicted_calls_can_be_freed_after_each_step() -> None:
    """The table keeps no evicted call until its last step, which would free all of them at once."""
    table = CallTable([Call(number, "S") for number in range(3 * EVICTED_PER_STEP)], 60_000)
    alone = [Call(1, "S")]
    for _ in table.evict_quiet(10**9, 0):
        *others, _last = table.evicted or alone
        held = {sys.getrefcount(call) for call in others}
        del others
        assert held <= {sys.getrefcount(alone[0]) + 2}
        table.evicted.clear()
    assert not table.calls


@pytest.mark.parametrize("services", [[10], [10, 20]], ids=["one service", "several services"])
def test_an_agent_event_keeps_its_call_in_memory(services: list[int]) -> None:
    """A call on hold stays, whether its agent works for one service or for several."""
    floor = new_floor()
    begun = [
        agent("READY", 0, services=services),
        call("call.queue", 100, service=10),
        agent("IN_CALL", 200, call={"transactionId": "1", "sessionId": "S1"}),
    ]
    fold_all(floor, begun)
    held = agent("AGENT_HOLD", 3 * HOUR, call={"transactionId": "1", "sessionId": "S1"})
    fold_all(floor, [held], begin=3 * HOUR)
    floor.begin_entry(10**6, ticks(6 * HOUR))
    assert list(floor.call_table.calls) == [(1, "S1")]


def test_a_call_that_waited_at_midnight_stays_in_memory() -> None:
    """A call that waited at midnight stays in memory, because it is offered on the new day, too."""
    floor = new_floor()
    fold_all(floor, [call("call.queue", 200, service=10)])
    for hour in (3, 6, 9, 11):
        fold_all(floor, [call("call.disposition", hour * HOUR)], begin=hour * HOUR - 200)
    floor.begin_entry(10**6, ticks(20 * HOUR))
    assert len(floor.call_table.calls) == 1
    floor.begin_entry(10**6 + 1, ticks(36 * HOUR + 60))
    assert floor.call_table.calls == {}


def test_ended_calls_in_memory_are_limited() -> None:
    """Beyond the limit, the calls that ended first leave before their ten minutes are over."""
    floor = new_floor()
    table = CallTable([], 4 * HOUR * 1000, max_ended=3)
    floor.call_table = table
    for number in range(10):
        table.calls[number, "S"] = ended = Call(number, "S", ended=5)
        ended.last_recorded = 5
        table.reload(ended)
    list(table.evict_ended(6))
    assert len(table.calls) == 3
    assert len(table.evicted) == 7
    assert len(table.ended) == 3


def test_ended_calls_are_evicted_once_per_second() -> None:
    """An ended call leaves with the first entry of a second, after ten minutes in memory."""
    floor = new_floor()
    floor.begin_entry(2, ticks(200) + 5_000_000)
    for one in (call("call.queue", 0, service=10), call("call.end", 0.2)):
        floor.fold(one, ticks(200) + 5_000_000, "id")
    (ended,) = floor.call_table.calls.values()
    over = ended.last_recorded * 10_000 + 600 * 10_000_000
    second = over - over % 10_000_000
    assert second < over
    floor.begin_entry(50, over - 1)
    floor.begin_entry(51, second + 9_999_999)
    assert len(floor.call_table.calls) == 1
    floor.begin_entry(52, second + 10_000_000)
    assert floor.call_table.calls == {}


@given(st.lists(call_events(), max_size=40))
def test_the_set_of_ended_calls_is_exact(events: list[InboundEvent]) -> None:
    """The set of ended calls is right for any order of events."""
    floor = new_floor()
    for number, one in enumerate(events):
        fold_all(floor, [one], begin=number + 2)
        calls = floor.call_table.calls.values()
        ended = {call.key for call in calls if call.ended is not None}
        assert floor.call_table.ended == ended


@given(st.lists(call_events() | agent_events() | missed_offers(), max_size=40))
def test_a_restart_keeps_the_calls_in_progress(events: list[InboundEvent]) -> None:
    """The table finds the same calls in progress, waiting and ended in the calls that it stores."""
    floor = new_floor()
    fold_all(floor, events)
    live = floor.call_table
    restored = CallTable(live.calls.values(), quiet_ms=HOUR * 1000)
    assert restored.ended == live.ended
    progress = {service: set(calls) for service, calls in live.in_progress.items() if calls}
    assert {service: set(calls) for service, calls in restored.in_progress.items()} == progress
    assert restored._waiting_at == live._waiting_at  # noqa: SLF001 - the queues, which none reads


def test_an_ended_call_is_queued_for_eviction_once_per_entry() -> None:
    """Many events of one ended call in the same entry add it only once to the eviction queue."""
    floor = new_floor()
    fold_all(floor, [call("call.queue", 1, service=10), call("call.end", 2)])
    floor.begin_entry(99, ticks(300))
    for _ in range(1000):
        floor.fold(call("call.disposition", 3), ticks(300), "id")
    assert len(floor.call_table._leaving) <= 3  # noqa: SLF001 - the queue that must not grow


@given(
    st.lists(st.integers(0, 30), max_size=12), st.integers(1, 6), st.integers(0, 60 * HOUR * 1000)
)
def test_the_oldest_keys_of_quiet_calls_are_forgotten(ages: list[int], most: int, now: int) -> None:
    """At most ``MAX_QUIET`` keys stay, for as long as the store keeps a call."""
    left = sorted(hour * HOUR * 1000 for hour in ages)
    quiet = [((number, "S"), at) for number, at in enumerate(left)]
    table = CallTable([], 1, quiet=quiet)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(call_table, "MAX_QUIET", most)
        list(table.evict_quiet(now, 0))
    kept = [one for one in quiet if one[1] + call_table.QUIET_KEPT_MS > now]
    assert list(table.quiet.items()) == kept[-most:]
