"""Tests that the order of a call's steps does not change its counts, and that costs are limited."""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from floorcast.floor.call_counts import CallCounts
from floorcast.floor.calls import EXPENSIVE_WORK, MAX_STEPS, REDUCED_MAX_STEPS, Call, WrapUp
from floorcast.floor.counted_calls import CallsByService
from floorcast.floor.counters import Counters
from floorcast.floor.days import Calendar
from floorcast.floor.floor import Floor
from floorcast.floor.ledger import Ledger
from floorcast.floor.queue_segments import ANSWER, END, LEAVE, QUEUE, START, UPDATE, Step
from floorcast.floor.state import decode_call, encode_call
from floorcast.floor.tally import Tally
from floorcast.floor.thresholds import Thresholds
from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import Service
from tests.floor.random_floors import PLAN, call, fold_all, new_floor, ticks

EXITS = {10: Service(id=10, name="Sales"), 20: Service(id=20, name="B", count_exits_as="abandoned")}
KINDS = st.sampled_from([START, QUEUE, QUEUE, ANSWER, ANSWER, END, LEAVE, UPDATE])


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Draw steps of one call at different times over two days."""
    times = draw(st.lists(st.integers(0, 40), min_size=1, max_size=20, unique=True))
    found = []
    for time in times:
        kind = draw(KINDS)
        service = draw(st.sampled_from([10, 20, None])) if kind in (QUEUE, ANSWER) else None
        if kind in (START, UPDATE):
            service = draw(st.sampled_from([10, 20]))
        agent = draw(st.sampled_from([None, 7, 8])) if kind == ANSWER else None
        found.append(Step(86_380_000 + time * 1000, kind, service, agent))
    return found


class Book:
    """One call and its counters."""

    def __init__(self) -> None:
        self.counters = Counters(first_day=1)
        calendar = Calendar("UTC")
        ledger = Ledger(self.counters)
        counts = CallCounts(ledger, calendar, [])
        self.tally = Tally(ledger, calendar, counts, Thresholds(EXITS), CallsByService())
        self.call = Call(1, "S", direction="INBOUND")

    def apply(self, story: list[Step]) -> Book:
        """Apply the steps in order of arrival."""
        for step in story:
            self.tally.apply_step(self.call, step)
        return self

    def image(self) -> object:
        """Return the counters that are not zero, and the call's segments."""
        services = {
            (day, service): one
            for day, services in msgspec.to_builtins(self.counters.service_days).items()
            for service, one in services.items()
            if any(one.values())
        }
        agents = {
            (day, service, agent): (one.inbound, one.outbound)
            for day, by_service in self.counters.agent_days.items()
            for service, by_agent in by_service.items()
            for agent, one in by_agent.items()
            if one.inbound or one.outbound
        }
        segments = [
            (segment.service, segment.joined, segment.answered, segment.left)
            for segment in self.call.segments
        ]
        return services, agents, segments


@given(
    steps(),
    st.randoms(use_true_random=False),
    st.lists(st.tuples(st.sampled_from([7, 8]), st.integers(0, 40))),
)
def test_any_order_of_steps_gives_the_same_counts(
    story: list[Step], random: Random, wraps: list[tuple[int, int]]
) -> None:
    """Any order of steps and wrap-ups, even around midnight, gives the same counts."""
    straight, mixed = Book(), Book()
    in_order = sorted(story, key=lambda step: step.at)
    random.shuffle(story)
    middle = len(story) // 2
    straight.apply(in_order)
    mixed.apply(story[:middle])
    for agent, second in dict(wraps).items():
        wrap_up = WrapUp(agent, 86_380_000 + second * 1000, 5000)
        straight.tally.wrap_up(straight.call, wrap_up)
        mixed.tally.wrap_up(mixed.call, wrap_up)
    mixed.apply(story[middle:])
    assert mixed.image() == straight.image()


@given(
    steps(),
    st.lists(st.tuples(st.sampled_from([7, 8]), st.integers(0, 40)), max_size=4, unique=True),
    st.integers(0, 4),
)
def test_a_wrap_up_that_is_taken_back_leaves_no_trace(
    story: list[Step], wraps: list[tuple[int, int]], kept: int
) -> None:
    """Only the wrap-ups that stay count."""
    wrap_ups = [WrapUp(agent, 86_380_000 + second * 1000, 5000) for agent, second in wraps]
    expected, corrected = Book().apply(story), Book().apply(story)
    for wrap_up in wrap_ups[:kept]:
        expected.tally.wrap_up(expected.call, replace(wrap_up))
    for wrap_up in wrap_ups:
        corrected.tally.wrap_up(corrected.call, replace(wrap_up))
    for wrap_up in wrap_ups[kept:]:
        corrected.tally.wrap_up(corrected.call, replace(wrap_up), -1)
    assert corrected.image() == expected.image()


def test_a_wrap_up_that_a_call_does_not_have_cannot_be_taken_back() -> None:
    """The usual case of a call's only wrap-up is one that is added."""
    book = Book().apply([Step(0, QUEUE, 10, None), Step(1000, ANSWER, None, 7)])
    before = book.image()
    book.tally.wrap_up(book.call, WrapUp(7, 2000, 5000), -1)
    assert (book.image(), book.call.wrap_ups) == (before, ())


@given(steps(), st.integers(0, 20))
def test_a_reloaded_call_gives_the_same_counts(story: list[Step], cut: int) -> None:
    """A call that is stored and reloaded gives the same counts as one that stays in memory."""
    whole, parts = Book(), Book()
    whole.apply(story)
    parts.apply(story[:cut])
    parts.tally.forget(parts.call)
    parts.call = decode_call(encode_call(parts.call))
    parts.apply(story[cut:])
    assert parts.image() == whole.image()


@pytest.mark.parametrize("services", [2, 1500], ids=["two services", "a service each"])
def test_a_very_long_call_keeps_a_thousand_steps_and_all_counts(services: int) -> None:
    """A very long call counts as offered once per service, however often it was queued there."""
    floor = new_floor()
    fold_all(floor, [call("call.queue", n / 10, service=100 + n % services) for n in range(1500)])
    (one,) = floor.call_table.calls.values()
    assert len(one.steps) <= MAX_STEPS
    (day,) = floor.state.counters.service_days.values()
    assert {counter.offered for counter in day.values()} == {1}
    assert len(day) == services


def test_a_step_older_than_the_kept_steps_is_not_counted() -> None:
    """A step that is older than the kept steps of a long call is not counted."""
    floor = new_floor()
    fold_all(floor, [call("call.queue", 100 + n / 10, service=10 + n % 2) for n in range(1500)])
    fold_all(floor, [call("call.queue", 50, service=77)])
    (day,) = floor.state.counters.service_days.values()
    assert 77 not in day


def _in_order(count: int) -> list[InboundEvent]:
    return [call("call.queue", n, service=1000 + n) for n in range(count)]


def _reversed(count: int) -> list[InboundEvent]:
    return _in_order(count)[::-1]


def _shuffled(count: int) -> list[InboundEvent]:
    events = _in_order(count)
    Random(1).shuffle(events)
    return events


def _alternating(count: int) -> list[InboundEvent]:
    return [call("call.queue", n, service=10 + n % 2) for n in range(count)]


def _answered(count: int) -> list[InboundEvent]:
    kinds: list[dict[str, Any]] = [{"service": 10}, {"agent": 7}, {"service": 20}, {"agent": 8}]
    names = ("call.queue", "call.answer")
    return [call(names[n % 2], n, **kinds[n % 4]) for n in range(count)]


def _unnamed_then_named(count: int) -> list[InboundEvent]:
    half = [call(("call.queue", "call.answer")[n % 2], n) for n in range(count // 2)]
    return [*half, *(call("call.queue", -n, service=10 + n % 2) for n in range(1, count // 2))]


def _joined(count: int) -> list[InboundEvent]:
    return [call("call.queue", 0), *(call("call.answer", n, agent=100 + n) for n in range(count))]


def _ended_ever_earlier(count: int) -> list[InboundEvent]:
    return [
        *_answered(count // 2),
        *(call("call.end", count - n) for n in range(count // 2)),
    ]


def _disposed(count: int) -> list[InboundEvent]:
    queued = _alternating(count // 2)
    said = [call("call.disposition", n, agent=7, termCode="RPC") for n in range(count // 2)]
    return [one for pair in zip(queued, said, strict=True) for one in pair]


def _turned_around(count: int) -> list[InboundEvent]:
    directions = ("INBOUND", "MANUAL")
    starts = [
        call("call.start", n, service=10, direction=directions[n % 2]) for n in range(count // 2)
    ]
    return [*_answered(count // 2), *starts]


@pytest.mark.parametrize(
    "story",
    [
        _in_order,
        _reversed,
        _shuffled,
        _alternating,
        _answered,
        _unnamed_then_named,
        _joined,
        _ended_ever_earlier,
        _disposed,
        _turned_around,
    ],
)
def test_the_cost_of_a_call_is_linear_in_its_steps(
    story: Callable[[int], list[InboundEvent]],
) -> None:
    """Twice as many steps of one call take at most 2.8 times as many function calls."""
    once, twice = _calls_of(story(700)), _calls_of(story(1400))
    assert twice < 2.8 * once


def _calls_of(events: list[InboundEvent]) -> int:
    """Return the number of function calls that it takes to fold the events."""
    floor = new_floor()
    floor.begin_entry(2, ticks(9000))
    return _counted(floor, events)


def _counted(floor: Floor, events: list[InboundEvent]) -> int:
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        for event in events:
            floor.fold(event, ticks(9000), "-")
    finally:
        sys.setprofile(None)
    return calls


def test_a_new_threshold_applies_to_calls_in_progress() -> None:
    """A new threshold applies to a call that ends later, but not to one that has ended."""
    floor = new_floor()
    fold_all(
        floor,
        [
            *(call("call.queue", 0, n, service=10) for n in (1, 2)),
            *(call("call.answer", 15, n) for n in (1, 2)),
            call("call.end", 30, 1),
        ],
    )
    (day,) = floor.state.counters.service_days.values()
    assert day[10].handled_within == 2
    strict = Service(id=10, name="Sales", call_center=1, sla_seconds=10)
    floor.begin_entry(50, ticks(400))
    floor.apply(replace(PLAN, services=(strict, *PLAN.services[1:])))
    assert day[10].handled_within == 2
    fold_all(floor, [call("call.end", 40, 2)], begin=300)
    assert (day[10].handled_within, day[10].handled, day[10].talks) == (1, 2, 2)


@pytest.mark.parametrize("steps", [REDUCED_MAX_STEPS - 1, REDUCED_MAX_STEPS])
@pytest.mark.parametrize("kind", ["answer", "end"])
def test_a_usual_step_does_not_exceed_what_an_expensive_call_keeps(steps: int, kind: str) -> None:
    """A restart compacts a call with too many steps, so it must not have any before."""
    floor = new_floor()
    fold_all(floor, [call("call.queue", second, service=10) for second in range(steps)])
    long = floor.call_table.calls[1, "S1"]
    long.work = EXPENSIVE_WORK
    fold_all(floor, [call(f"call.{kind}", 99)], begin=90)
    assert len(long.steps) <= long.max_steps == REDUCED_MAX_STEPS
