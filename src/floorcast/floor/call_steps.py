"""Builds a call's queue segments from its steps, which can arrive in any order.

A late step is inserted at its own time, and the segments after it are recomputed until they match
the earlier result. A call's figures therefore do not depend on the order of arrival. Only events
with the same time are kept in the order in which they were recorded.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import islice
from typing import NamedTuple

from floorcast.floor.calls import Call, CompactedSteps
from floorcast.floor.directory import NO_SERVICE
from floorcast.floor.queue_segments import (
    ANSWER,
    QUEUE,
    START,
    UPDATE,
    QueueSegment,
    SegmentBuilder,
    Step,
    as_of,
    copy,
    is_same,
)

__all__ = ["SegmentChange", "add_first_step", "add_later_step", "amend", "apply_step", "compact"]


class SegmentChange(NamedTuple):
    """The segments that a step replaced, and their replacements."""

    removed: list[QueueSegment]
    added: list[QueueSegment]


_NAMING = (QUEUE, ANSWER)
_NOTHING = SegmentChange([], [])


def _declare(call: Call, step: Step) -> SegmentChange:
    """Set the declared service from a start or update event.

    The latest update counts. If there is none, the earliest start counts.
    """
    corrects = step.kind == UPDATE
    if not corrects and (call.started is None or step.at < call.started):
        call.started = step.at
    if step.service is None or not _declares(call, step.at, corrects):
        return _NOTHING
    before = call.declared
    call.declared, call.declared_at, call.corrected = step.service, step.at, corrects
    if before == step.service:
        return _NOTHING
    if not call.steps:
        call.service = step.service
        return _NOTHING
    return _recompute(call, 0, None)


def _declares(call: Call, at: int, corrects: bool) -> bool:
    if call.declared_at is None:
        return True
    if corrects:
        return not call.corrected or at >= call.declared_at
    return not call.corrected and at < call.declared_at


def apply_step(call: Call, step: Step) -> SegmentChange:
    """Add a step. Steps can arrive in any order."""
    steps, at = call.steps, step.at
    if step.kind in (START, UPDATE):
        return _declare(call, step)
    if call.ended is not None and at >= call.ended:
        return _NOTHING  # nothing counts after the end of a call
    if call.compacted is not None and at < call.compacted.until:
        return _NOTHING
    if not steps or at >= steps[-1].at:
        steps.append(step)
        call.last_step = at
        return _append_step(call, step)
    index = bisect_right(steps, at, key=_at)
    steps.insert(index, step)
    return _recompute(call, _replay_start(call, at), index)


def add_first_step(call: Call, step: Step) -> None:
    """Add the usual first step: a call that was not known before joins a queue."""
    call.steps.append(step)
    call.last_step = step.at
    if call.service is None:
        call.service = step.service
    service = step.service if step.service is not None else call.service
    call.segments.append(QueueSegment(NO_SERVICE if service is None else service, joined=step.at))


def add_later_step(call: Call, segment: QueueSegment, step: Step) -> None:
    """Add the usual later step: the answer or the end of the call's only segment."""
    call.steps.append(step)
    call.last_step = step.at
    if step.kind == ANSWER:
        segment.answered, segment.agent = step.at, step.agent
        if call.service is None:
            call.service = step.service
    else:
        call.ended = segment.left = step.at
        segment.lost = segment.answered is None


def amend(call: Call, step: Step) -> SegmentChange:
    """Change the service of an existing step."""
    for index in range(bisect_left(call.steps, step.at, key=_at), len(call.steps)):
        known = call.steps[index]
        if known.at != step.at:
            break
        if known.kind == step.kind and known.agent == step.agent:
            if known.service == step.service:
                break
            call.steps[index] = step
            return _recompute(call, 0, None)
    return _NOTHING


def compact(call: Call, most: int) -> list[QueueSegment]:
    """Keep only the newest ``most`` steps. Return the segments that are removed."""
    builder = _initial_builder(call)
    count = max(0, len(call.steps) - most)
    for step in islice(call.steps, count):
        builder.apply(step)
    until = call.steps[count].at if count < len(call.steps) else call.steps[-1].at
    removed = call.segments[: max(0, len(builder.built) - 1)]
    compacted = call.compacted or CompactedSteps(until)
    compacted.until = until
    compacted.segment = builder.built[-1] if builder.built else None
    compacted.service = builder.service
    compacted.waited += sum(segment.wait(until) for segment in removed)
    if compacted.first_answer is None:
        compacted.first_answer = next(
            (segment.answered for segment in removed if segment.answered), None
        )
    call.compacted = compacted
    del call.steps[:count], call.segments[: len(removed)]
    return removed


def _append_step(call: Call, step: Step) -> SegmentChange:
    """Apply a step that follows all others. Of the existing segments, only the last can change."""
    last = call.segments[-1:]
    builder = SegmentBuilder([copy(segment) for segment in last], call.service)
    builder.apply(step)
    call.service, call.ended = builder.service, builder.ended
    if last and len(builder.built) == 1 and is_same(builder.built[0], last[0]):
        return _NOTHING
    call.segments[len(call.segments) - len(last) :] = builder.built
    return SegmentChange(last, builder.built)


def _replay_start(call: Call, at: int) -> int:
    """Return the index of the first step of the segment that contains ``at``."""
    number = bisect_right(call.segments, at, key=_began) - 1
    return 0 if number < 0 else bisect_left(call.steps, call.segments[number].began, key=_at)


def _recompute(call: Call, start: int, new: int | None) -> SegmentChange:
    """Recompute the queue segments from step ``start`` on, after step ``new`` was inserted.

    The function stops when the result is the same as before. If ``new`` is None, it recomputes all
    of these segments.
    """
    steps, old = call.steps, call.segments
    first, builder = _builder_before(call, start)
    end, index = None, start
    for index in range(start, len(steps)):
        step, count = steps[index], len(builder.built)
        builder.apply(step)
        if builder.ended is not None:
            del steps[index + 1 :]
            break
        if new is None or index <= new or len(builder.built) == count:
            continue
        end = _same_segment(call, index, builder.built[-1])
        if end is not None:
            del builder.built[-1]
            break
    call.add_work(index - start)
    if end is None:
        end = len(old)
        call.ended, call.service = builder.ended, builder.service
    elif builder.service is not None:
        call.service = builder.service
    call.last_step = steps[-1].at
    removed = old[first:end]
    old[first:end] = builder.built
    return SegmentChange(removed, builder.built)


def _builder_before(call: Call, start: int) -> tuple[int, SegmentBuilder]:
    """Return the index of the segment open before step ``start``, and the builder until then."""
    if start == 0:
        return 0, _initial_builder(call)
    at = call.steps[start].at
    first = bisect_left(call.segments, at, key=_began)
    service = _declared_or_compacted(call)
    if service is None:
        named = (step.service for step in islice(call.steps, start) if step.kind in _NAMING)
        service = next((one for one in named if one is not None), None)
    if first == 0:
        return 0, SegmentBuilder([], service)
    return first - 1, SegmentBuilder([as_of(call.segments[first - 1], at)], service)


def _initial_builder(call: Call) -> SegmentBuilder:
    known = None if call.compacted is None else call.compacted.segment
    return SegmentBuilder([] if known is None else [copy(known)], _declared_or_compacted(call))


def _declared_or_compacted(call: Call) -> int | None:
    if call.declared is not None or call.compacted is None:
        return call.declared
    return call.compacted.service


def _same_segment(call: Call, index: int, segment: QueueSegment) -> int | None:
    """Return the old index of the segment that step ``index`` begins, if it began the same way."""
    steps, at = call.steps, segment.began
    if steps[index - 1].at == at or (index + 1 < len(steps) and steps[index + 1].at == at):
        return None  # several steps have this time: it is not known which one began the segment
    place = bisect_left(call.segments, at, key=_began)
    if place == len(call.segments):
        return None
    known = call.segments[place]
    alike = known.service == segment.service and (known.joined is None) is (segment.joined is None)
    return place if alike and known.began == at else None


def _began(segment: QueueSegment) -> int:
    return segment.began


def _at(step: Step) -> int:
    return step.at
