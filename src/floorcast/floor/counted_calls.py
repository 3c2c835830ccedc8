"""Finds the days and services for which a call counts, and how and when it counts there.

This uses the index with which calls are counted (``floorcast.floor.tally``), so a list of a
figure's calls always has as many calls as the figure says.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from floorcast.floor.calls import Call, Key
from floorcast.floor.queue_segments import QueueSegment
from floorcast.floor.segment_index import DayService, OutcomeKind, SegmentDays, SegmentIndex

__all__ = ["CallResult", "CallsByService", "CountedCall", "counted", "counted_at", "first_offered"]


class CallResult(IntEnum):
    """The stored outcome of a call at a service on a day."""

    OPEN = 0
    HANDLED = 1
    HANDLED_WITHIN = 2
    ABANDONED = 3
    ABANDONED_WITHIN = 4
    MOVED_ON = 5


class CountedCall(NamedTuple):
    """How a call counts at a service on a day: the time of the offer, the result and its time.

    Times are in ms. ``at`` is None for an open call, and for one that an earlier release compacted.
    """

    day: int
    service: int
    offered: int | None
    result: CallResult
    at: int | None


def counted(call: Call, segment_days: SegmentDays, first_day: int) -> list[CountedCall]:
    """Return how the call counts from ``first_day`` on, once for each day and service."""
    if len(call.segments) == 1 and call.compacted is None:
        return _counted_once(call.segments[0], segment_days, first_day)
    if not call.segments and call.compacted is None:
        return []
    index = SegmentIndex(call, segment_days)
    return [
        _counted_in(index, day_service)
        for day_service in index.day_services
        if day_service[0] >= first_day
    ]


def counted_at(
    call: Call,
    segment_days: SegmentDays,
    day_service: DayService,
    index: SegmentIndex | None = None,
) -> CountedCall | None:
    """Return how the call counts at a service on a day, or None if it does not.

    ``index`` is optional.
    """
    if index is None and len(call.segments) == 1 and call.compacted is None:
        once = _counted_once(call.segments[0], segment_days, day_service[0])
        return next((one for one in once if one[:2] == day_service), None)
    found = _counted_in(SegmentIndex(call, segment_days) if index is None else index, day_service)
    return None if found.offered is None and found.result is CallResult.OPEN else found


def first_offered(
    call: Call, index: SegmentIndex, segment_days: SegmentDays, day_service: DayService
) -> QueueSegment | None:
    """Return the segment by which the call was first offered at a service on a day.

    It is None if the segment's step has been compacted. The call then counts there by another
    segment, or not at all.
    """
    times = index.offered.get(day_service)
    if not times:
        return None
    for segment in call.segments:
        if day_service in segment_days.offers(segment):
            return segment if segment_days.offered_at(segment, day_service[0]) == times[0] else None
    return None


def _counted_in(index: SegmentIndex, day_service: DayService) -> CountedCall:
    offered = index.offered.get(day_service)
    joined = offered[0] if offered else None
    outcome = index.outcome(day_service)
    if outcome is not None:
        return CountedCall(*day_service, joined, *_result(outcome.kind, outcome.segment))
    kind = index.final.get(day_service)
    if kind is OutcomeKind.HANDLED:
        return CountedCall(*day_service, joined, CallResult.HANDLED, None)
    if kind is OutcomeKind.ABANDONED:
        return CountedCall(*day_service, joined, CallResult.ABANDONED, None)
    moved_on = day_service in index.final_moved_on
    return CountedCall(
        *day_service, joined, CallResult.MOVED_ON if moved_on else CallResult.OPEN, None
    )


def _counted_once(
    segment: QueueSegment, segment_days: SegmentDays, first_day: int
) -> list[CountedCall]:
    """Return the counts of a call that has only one segment."""
    end = segment.answered if segment.answered is not None else segment.left
    began = end if segment.joined is None else segment.joined
    if began is not None and end is not None:
        day = segment_days.same_day(began, end)
        if day is not None:  # the usual case
            if day < first_day:
                return []
            return [CountedCall(day, segment.service, began, *_result(_kind(segment), segment))]
    outcome_at = segment_days.outcome_at(segment)
    found = []
    for day_service in segment_days.offers(segment):
        if day_service[0] >= first_day:
            result: tuple[CallResult, int | None] = CallResult.OPEN, None
            if day_service == outcome_at:
                result = _result(_kind(segment), segment)
            found.append(
                CountedCall(*day_service, segment_days.offered_at(segment, day_service[0]), *result)
            )
    return found


def _kind(segment: QueueSegment) -> OutcomeKind:
    if segment.answered is not None:
        return OutcomeKind.HANDLED
    return OutcomeKind.ABANDONED if segment.abandoned else OutcomeKind.MOVED_ON


def _result(kind: OutcomeKind, segment: QueueSegment) -> tuple[CallResult, int | None]:
    if kind is OutcomeKind.HANDLED:
        within = segment.within and not segment.unqueued
        return (CallResult.HANDLED_WITHIN if within else CallResult.HANDLED), segment.answered
    if kind is OutcomeKind.ABANDONED:
        return (
            CallResult.ABANDONED_WITHIN if segment.within else CallResult.ABANDONED
        ), segment.left
    return CallResult.MOVED_ON, segment.left


class CallsByService:
    """The calls in memory, by each service that they are or have been at.

    A call may also be listed under a service that a correction has since replaced.
    """

    def __init__(self) -> None:
        self._at: dict[int, dict[Key, Call]] = {}
        self._former_services: dict[Key, set[int]] = {}

    def of(self, service: int) -> Iterable[Call]:
        """Return the service's calls."""
        return self._at.get(service, {}).values()

    def add(self, call: Call, service: int) -> None:
        """Record that the call has a segment at the service."""
        try:
            self._at[service][call.transaction, call.session] = call
        except KeyError:
            self._at[service] = {call.key: call}

    def add_all(self, call: Call) -> None:
        """Record every service at which the call has or had a segment."""
        for service in _services(call):
            self.add(call, service)

    def update(
        self, call: Call, removed: Iterable[QueueSegment], added: Iterable[QueueSegment]
    ) -> None:
        """Update the services of a call whose segments have been replaced."""
        there = {segment.service for segment in added}
        for service in there:
            self.add(call, service)
        left = {segment.service for segment in removed} - there
        if left:
            self._former_services.setdefault(call.key, set()).update(left)

    def remove(self, call: Call) -> None:
        """Remove a call that leaves memory."""
        key = call.key
        for service in _services(call) | self._former_services.pop(key, set()):
            calls = self._at.get(service)
            if calls is not None and calls.pop(key, None) is not None and not calls:
                del self._at[service]


def _services(call: Call) -> set[int]:
    found = {segment.service for segment in call.segments}
    compacted = call.compacted
    if compacted is not None:
        for counts in (
            compacted.offered,
            compacted.handled,
            compacted.abandoned,
            compacted.moved_on,
        ):
            found.update(service for _, service in counts)
    return found
