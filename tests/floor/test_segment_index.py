"""Tests of the index of a call's segments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.floor.calls import Call, CompactedSteps
from floorcast.floor.queue_segments import QueueSegment
from floorcast.floor.segment_index import CallOutcome, OutcomeKind, SegmentIndex
from floorcast.model.inbound import InboundEvent
from tests.floor.random_floors import call_events, fold_all, new_floor, ticks

FLOOR = new_floor()
NOON = ticks(0) // 10_000
DAY = FLOOR.calendar.day_of(NOON)
DAY_SERVICE = (DAY, 10)


def left(at: int, *, exited: bool = False, abandoned: bool = False) -> QueueSegment:
    """Return a segment that the call left ``at`` seconds after noon."""
    joined = NOON + (at - 5) * 1000
    return QueueSegment(
        10, joined=joined, left=NOON + at * 1000, exited=exited, abandoned=abandoned
    )


@given(st.lists(call_events(), min_size=5, max_size=40), st.randoms(use_true_random=False))
def test_removing_all_segments_empties_the_index(
    events: list[InboundEvent], random: object
) -> None:
    """After all segments are removed, in any order, the index is empty."""
    floor = new_floor()
    fold_all(floor, events)
    for call in floor.call_table.calls.values():
        index = SegmentIndex(call, floor.segment_days)
        segments = list(call.segments)
        random.shuffle(segments)  # type: ignore[attr-defined]  # hypothesis types it as object
        for segment in segments:
            index.update(segment, -1)
        assert not index.offered
        assert not index.answered
        assert not index.abandoned
        assert not index.moved_on
        assert not any(index.waits.values())


def test_an_answer_outranks_an_abandonment_which_outranks_moving_on() -> None:
    """An answer counts first, then an abandonment, then the last move. A waiting call has none."""
    moved, again = left(10, exited=True), left(20, exited=True)
    call = Call(1, "S1", segments=[moved, again])
    assert SegmentIndex(call, FLOOR.segment_days).outcome(DAY_SERVICE) == CallOutcome(
        OutcomeKind.MOVED_ON, again
    )
    waits = QueueSegment(10, joined=NOON + 30_000)
    call.segments.append(waits)
    assert SegmentIndex(call, FLOOR.segment_days).outcome(DAY_SERVICE) is None
    waits.left, waits.lost, waits.abandoned = NOON + 40_000, True, True
    assert SegmentIndex(call, FLOOR.segment_days).outcome(DAY_SERVICE) == CallOutcome(
        OutcomeKind.ABANDONED, waits
    )
    again.answered = NOON + 18_000
    assert SegmentIndex(call, FLOOR.segment_days).outcome(DAY_SERVICE) == CallOutcome(
        OutcomeKind.HANDLED, again
    )


def test_a_compacted_segment_outranks_one_with_the_same_times() -> None:
    """A count is taken back for the same segment for which it was made."""
    segment, other = (
        QueueSegment(10, joined=NOON, answered=NOON, left=NOON, within=within)
        for within in (True, False)
    )
    compacted = CompactedSteps(0, handled=[DAY_SERVICE], handled_segments=[segment])
    index = SegmentIndex(Call(1, "S1", segments=[other], compacted=compacted), FLOOR.segment_days)
    outcome = index.outcome(DAY_SERVICE)
    assert outcome is not None
    assert outcome.segment is segment


@pytest.mark.parametrize("kind", OutcomeKind)
def test_compacted_steps_keep_the_segments_by_which_they_count(kind: OutcomeKind) -> None:
    """A compacted segment counts as before, but not if an earlier release compacted it."""
    compacted = CompactedSteps(0, offered=[DAY_SERVICE])
    segment = left(10, abandoned=kind is OutcomeKind.ABANDONED)
    if kind is OutcomeKind.HANDLED:
        segment.answered = NOON + 8000
        compacted.handled, compacted.handled_segments = [DAY_SERVICE], [segment]
    elif kind is OutcomeKind.ABANDONED:
        compacted.abandoned, compacted.abandoned_segments = [DAY_SERVICE], [segment]
    else:
        compacted.moved_on, compacted.moved_on_segments = [DAY_SERVICE], [segment]
    call = Call(1, "S1", compacted=compacted)
    index = SegmentIndex(call, FLOOR.segment_days)
    assert index.outcome(DAY_SERVICE) == CallOutcome(kind, segment)
    assert list(index.day_services) == [DAY_SERVICE]
    compacted.handled_segments = compacted.abandoned_segments = compacted.moved_on_segments = []
    old = SegmentIndex(call, FLOOR.segment_days)
    assert old.outcome(DAY_SERVICE) is None
    assert old.final.get(DAY_SERVICE) == (None if kind is OutcomeKind.MOVED_ON else kind)
    assert (DAY_SERVICE in old.final_moved_on) is (kind is OutcomeKind.MOVED_ON)
