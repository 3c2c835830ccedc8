"""Tests that a call's queue segments are ordered by the events' own times."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.floor.call_steps import apply_step
from floorcast.floor.calls import Call
from floorcast.floor.queue_segments import ANSWER, END, LEAVE, QUEUE, START, UPDATE, Step
from tests.search import tries


def segments(steps: list[Step]) -> list[tuple[int, int | None, int | None, int | None]]:
    call = Call(1, "S")
    for step in steps:
        apply_step(call, step)
    return [
        (segment.service, segment.joined, segment.answered, segment.left)
        for segment in call.segments
    ]


STORIES = {
    "two beginnings": [
        Step(1, START, 10, None),
        Step(2, START, 20, None),
        Step(3, QUEUE, None, None),
        Step(5, ANSWER, None, 7),
    ],
    "an end that knows the service": [
        Step(1, START, 10, None),
        Step(2, END, 20, None),
        Step(3, QUEUE, None, None),
    ],
    "answered twice, and passed on": [
        Step(1, QUEUE, 10, None),
        Step(2, ANSWER, None, None),
        Step(3, ANSWER, 20, 7),
        Step(4, QUEUE, 20, None),
        Step(5, END, None, None),
    ],
}


@pytest.mark.parametrize("story", STORIES)
def test_the_order_of_arrival_does_not_matter(story: str) -> None:
    """Every permutation of the steps gives the same segments."""
    steps = STORIES[story]
    expected = segments(steps)
    assert all(segments(list(mixed)) == expected for mixed in permutations(steps))


STEPS = st.builds(
    Step,
    st.integers(1, 9),
    st.sampled_from([START, UPDATE, QUEUE, QUEUE, QUEUE, ANSWER, ANSWER, LEAVE, END]),
    st.sampled_from([None, None, 10, 20]),
    st.sampled_from([None, 7, 8]),
)


@settings(max_examples=tries(300))
@given(st.lists(STEPS, max_size=12))
def test_steps_in_any_order_give_the_call_of_the_steps_in_order(steps: list[Step]) -> None:
    """Steps of one time keep the order in which they arrive."""
    arrived, in_order = Call(1, "S"), Call(1, "S")
    for step in steps:
        apply_step(arrived, step)
    for step in sorted(steps, key=lambda one: one.at):
        apply_step(in_order, step)
    arrived.work = in_order.work = 0
    assert arrived == in_order


def test_the_earliest_start_sets_the_service() -> None:
    """Of two start events, the one with the earlier time sets the service."""
    assert segments(STORIES["two beginnings"]) == [(10, 3, 5, None)]


def test_an_end_sets_the_service_only_if_nothing_else_did() -> None:
    """The service of an end event applies only to a call that has no other known service."""
    call = Call(1, "S")
    apply_step(call, Step(5, END, 20, None))
    assert call.current_service == 20
    apply_step(call, Step(1, START, 10, None))
    assert call.current_service == 10
