"""An index of one call's segments that shows where, when and by which segment the call counts."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from enum import IntEnum
from itertools import chain
from typing import NamedTuple

from floorcast.floor.calls import Call, CompactedSteps
from floorcast.floor.days import Calendar
from floorcast.floor.ledger import Ledger
from floorcast.floor.queue_segments import QueueSegment

__all__ = ["CallOutcome", "DayService", "OutcomeKind", "SegmentDays", "SegmentIndex"]

_OPEN = 2**62

DayService = tuple[int, int]
"""A day and a service, at which a call can count."""


class OutcomeKind(IntEnum):
    """The outcome of a call at a service on a day."""

    HANDLED = 1
    ABANDONED = 2
    MOVED_ON = 3


class CallOutcome(NamedTuple):
    """A call's outcome at a service on a day, and the segment by which it counts there."""

    kind: OutcomeKind
    segment: QueueSegment


class SegmentDays:
    """Finds the days and services for which a segment counts, except days that were dropped."""

    __slots__ = ("_ledger", "bounds", "day_of", "same_day")

    def __init__(self, calendar: Calendar, ledger: Ledger) -> None:
        self.day_of = calendar.day_of
        self.bounds = calendar.bounds
        self.same_day = calendar.same_day
        self._ledger = ledger

    def offers(self, segment: QueueSegment) -> Iterator[DayService]:
        """Yield the days and services for which the segment is offered: each day of its wait."""
        end = segment.answered if segment.answered is not None else segment.left
        first = self.day_of(segment.began)
        last = first if end is None else self.day_of(end)
        for day in range(max(first, self._ledger.first_day), last + 1):
            yield day, segment.service

    def offered_at(self, segment: QueueSegment, day: int) -> int:
        """Return the time of the offer on a day, in ms."""
        return max(segment.began, self.bounds(day)[0])

    def outcome_at(self, segment: QueueSegment) -> DayService | None:
        """Return the day and service at which the wait ended; None if the call is still waiting."""
        end = segment.answered if segment.answered is not None else segment.left
        return None if end is None else (self.day_of(end), segment.service)

    def compacted_offer_times(self, compacted: CompactedSteps) -> list[int]:
        """Return the time of each offer in ``compacted.offered``."""
        if len(compacted.offered_at) == len(compacted.offered):
            return compacted.offered_at
        # an earlier release compacted the steps without storing the times
        return [self.bounds(day)[0] for day, _ in compacted.offered]


class SegmentIndex:
    """The days and services for which a call was offered, answered or abandoned, or moved on.

    ``offered`` holds the times of the offers at each service on each day, in order. ``credited``
    counts answers by agent. ``waits`` counts the segments that were waiting at the end of the day,
    or that are waiting now. ``final`` and ``final_moved_on`` hold outcomes of compacted steps for
    which an earlier release kept no segment, so these outcomes can no longer change.
    """

    __slots__ = (
        "_segment_days",
        "abandoned",
        "answered",
        "credited",
        "final",
        "final_moved_on",
        "moved_on",
        "offered",
        "waits",
    )

    def __init__(self, call: Call, segment_days: SegmentDays) -> None:
        self._segment_days = segment_days
        self.offered: dict[DayService, list[int]] = {}
        self.waits: Counter[DayService] = Counter()
        self.moved_on: dict[DayService, list[QueueSegment]] = {}
        self.answered: dict[DayService, list[QueueSegment]] = {}
        self.abandoned: dict[DayService, list[QueueSegment]] = {}
        self.credited: Counter[tuple[int, int, int]] = Counter()
        self.final: dict[DayService, OutcomeKind] = {}
        self.final_moved_on: set[DayService] = set()
        if call.compacted is not None:
            self._add_compacted(call.compacted)
        for segment in call.segments:
            self.update(segment, 1)
            for agent, at in segment.answers():
                self.credited[segment_days.day_of(at), segment.service, agent] += 1

    def update(self, segment: QueueSegment, sign: int) -> None:
        """Add a segment to the index (+1), or remove it (-1)."""
        outcome_at = self._segment_days.outcome_at(segment)
        for day_service in self._segment_days.offers(segment):
            _insert_or_remove_time(
                self.offered,
                day_service,
                self._segment_days.offered_at(segment, day_service[0]),
                sign,
            )
            if day_service != outcome_at:
                self.waits[day_service] += sign
        if outcome_at is not None:
            known = self.abandoned if segment.abandoned else self.moved_on
            _insert_or_remove(
                known if segment.answered is None else self.answered, outcome_at, segment, sign
            )

    def outcome(self, day_service: DayService) -> CallOutcome | None:
        """Return the call's outcome at a service on a day; None if there is none or it is final."""
        if day_service in self.final:
            return None
        if answered := self.answered.get(day_service):
            return CallOutcome(OutcomeKind.HANDLED, answered[0])
        if abandoned := self.abandoned.get(day_service):
            return CallOutcome(OutcomeKind.ABANDONED, abandoned[0])
        moved_on = self.moved_on.get(day_service)
        if moved_on and day_service not in self.final_moved_on and not self.waits[day_service]:
            return CallOutcome(OutcomeKind.MOVED_ON, moved_on[-1])
        return None

    @property
    def day_services(self) -> Iterator[DayService]:
        """The days and services for which the call counts in any way, without duplicates."""
        known = chain(self.offered, self.answered, self.abandoned, self.moved_on)
        return iter(dict.fromkeys(chain(known, self.final, self.final_moved_on)))

    def _add_compacted(self, compacted: CompactedSteps) -> None:
        times = self._segment_days.compacted_offer_times(compacted)
        for day_service, at in zip(compacted.offered, times, strict=True):
            _insert_or_remove_time(self.offered, day_service, at, 1)
        self.credited.update(compacted.credited)
        for day_service, segment in compacted.counted_moved_on():
            if segment is None:
                self.final_moved_on.add(day_service)
            else:
                _insert_or_remove(self.moved_on, day_service, segment, 1)
        for day_service, segment in compacted.counted_abandoned():
            if segment is None:
                self.final[day_service] = OutcomeKind.ABANDONED
            else:
                _insert_or_remove(self.abandoned, day_service, segment, 1)
        for day_service, segment in compacted.counted_handled():
            if segment is None:
                self.final[day_service] = OutcomeKind.HANDLED
            else:
                _insert_or_remove(self.answered, day_service, segment, 1)


def _insert_or_remove(
    known: dict[DayService, list[QueueSegment]],
    day_service: DayService,
    segment: QueueSegment,
    sign: int,
) -> None:
    """Insert a segment in order of time (+1), or remove it (-1)."""
    segments = known.setdefault(day_service, [])
    if sign > 0:
        insort(segments, segment, key=_order)
        return
    index = bisect_left(segments, _order(segment), key=_order)
    while segments[index] is not segment:
        index += 1
    del segments[index]
    if not segments:
        del known[day_service]


def _insert_or_remove_time(
    known: dict[DayService, list[int]], day_service: DayService, at: int, sign: int
) -> None:
    """Insert a time in order (+1), or remove it (-1)."""
    times = known.setdefault(day_service, [])
    if sign > 0:
        insort(times, at)
        return
    del times[bisect_left(times, at)]
    if not times:
        del known[day_service]


def _order(segment: QueueSegment) -> tuple[int, int, int]:
    end = segment.answered if segment.answered is not None else segment.left
    return (
        _OPEN if end is None else end,
        -1 if segment.joined is None else segment.joined,
        _OPEN if segment.left is None else segment.left,
    )
