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

__all__ = ["Kind", "Outcome", "Place", "Places", "SegmentIndex"]

_OPEN = 2**62

Place = tuple[int, int]
"""A day and a service, at which a call can count."""


class Kind(IntEnum):
    """The outcome of a call at a service on a day."""

    HANDLED = 1
    ABANDONED = 2
    MOVED_ON = 3


class Outcome(NamedTuple):
    """The outcome of a call at a place, and the segment by which it counts there."""

    kind: Kind
    segment: QueueSegment


class Places:
    """Finds the days and services at which a segment counts, except days that were dropped."""

    __slots__ = ("_ledger", "bounds", "day_of", "same_day")

    def __init__(self, calendar: Calendar, ledger: Ledger) -> None:
        self.day_of = calendar.day_of
        self.bounds = calendar.bounds
        self.same_day = calendar.same_day
        self._ledger = ledger

    def offers(self, segment: QueueSegment) -> Iterator[Place]:
        """Yield the places where the segment is offered. A wait over midnight is offered again."""
        end = segment.answered if segment.answered is not None else segment.left
        first = self.day_of(segment.began)
        last = first if end is None else self.day_of(end)
        for day in range(max(first, self._ledger.first_day), last + 1):
            yield day, segment.service

    def offered_at(self, segment: QueueSegment, day: int) -> int:
        """Return the time of the offer on a day, in ms."""
        return max(segment.began, self.bounds(day)[0])

    def over(self, segment: QueueSegment) -> Place | None:
        """Return the place where the call was answered or left the queue, or None if it waits."""
        end = segment.answered if segment.answered is not None else segment.left
        return None if end is None else (self.day_of(end), segment.service)

    def compacted_offer_times(self, compacted: CompactedSteps) -> list[int]:
        """Return the time of the offer at each place in ``compacted.offered``."""
        if len(compacted.offered_at) == len(compacted.offered):
            return compacted.offered_at
        # an earlier release compacted the steps without storing the times
        return [self.bounds(day)[0] for day, _ in compacted.offered]


class SegmentIndex:
    """The places where a call was offered, was answered, was abandoned or moved on.

    ``offered`` holds the times of the offers at each place, in order. ``credited`` counts answers
    by agent. ``waits`` counts the segments that waited at a place at the end of the day, or wait
    there now. ``over`` and ``over_moved`` hold the places of compacted steps for which an earlier
    release kept no segment, so the outcome there can no longer change.
    """

    __slots__ = (
        "_places",
        "abandoned",
        "answered",
        "credited",
        "moved_on",
        "offered",
        "over",
        "over_moved",
        "waits",
    )

    def __init__(self, call: Call, places: Places) -> None:
        self._places = places
        self.offered: dict[Place, list[int]] = {}
        self.waits: Counter[Place] = Counter()
        self.moved_on: dict[Place, list[QueueSegment]] = {}
        self.answered: dict[Place, list[QueueSegment]] = {}
        self.abandoned: dict[Place, list[QueueSegment]] = {}
        self.credited: Counter[tuple[int, int, int]] = Counter()
        self.over: dict[Place, Kind] = {}
        self.over_moved: set[Place] = set()
        if call.compacted is not None:
            self._file_compacted(call.compacted)
        for segment in call.segments:
            self.file(segment, 1)
            for agent, at in segment.answers():
                self.credited[places.day_of(at), segment.service, agent] += 1

    def file(self, segment: QueueSegment, sign: int) -> None:
        """Add a segment to the index (+1), or remove it (-1)."""
        over = self._places.over(segment)
        for place in self._places.offers(segment):
            _file_moment(self.offered, place, self._places.offered_at(segment, place[0]), sign)
            if place != over:
                self.waits[place] += sign
        if over is not None:
            known = self.abandoned if segment.abandoned else self.moved_on
            _file(known if segment.answered is None else self.answered, over, segment, sign)

    def outcome(self, place: Place) -> Outcome | None:
        """Return the call's outcome at a place; None if there is none or it is final."""
        if place in self.over:
            return None
        if answered := self.answered.get(place):
            return Outcome(Kind.HANDLED, answered[0])
        if abandoned := self.abandoned.get(place):
            return Outcome(Kind.ABANDONED, abandoned[0])
        moved_on = self.moved_on.get(place)
        if moved_on and place not in self.over_moved and not self.waits[place]:
            return Outcome(Kind.MOVED_ON, moved_on[-1])
        return None

    @property
    def places(self) -> Iterator[Place]:
        """The places where the call counts in any way, without duplicates."""
        known = chain(self.offered, self.answered, self.abandoned, self.moved_on)
        return iter(dict.fromkeys(chain(known, self.over, self.over_moved)))

    def _file_compacted(self, compacted: CompactedSteps) -> None:
        moments = self._places.compacted_offer_times(compacted)
        for place, at in zip(compacted.offered, moments, strict=True):
            _file_moment(self.offered, place, at, 1)
        self.credited.update(compacted.credited)
        for place, segment in compacted.counted_moved_on():
            if segment is None:
                self.over_moved.add(place)
            else:
                _file(self.moved_on, place, segment, 1)
        for place, segment in compacted.counted_abandoned():
            if segment is None:
                self.over[place] = Kind.ABANDONED
            else:
                _file(self.abandoned, place, segment, 1)
        for place, segment in compacted.counted_handled():
            if segment is None:
                self.over[place] = Kind.HANDLED
            else:
                _file(self.answered, place, segment, 1)


def _file(
    known: dict[Place, list[QueueSegment]], place: Place, segment: QueueSegment, sign: int
) -> None:
    """Insert a segment among those of its place in order of time (+1), or remove it (-1)."""
    segments = known.setdefault(place, [])
    if sign > 0:
        insort(segments, segment, key=_order)
        return
    index = bisect_left(segments, _order(segment), key=_order)
    while segments[index] is not segment:
        index += 1
    del segments[index]
    if not segments:
        del known[place]


def _file_moment(known: dict[Place, list[int]], place: Place, at: int, sign: int) -> None:
    """Insert a time among those of its place (+1), or remove it (-1)."""
    moments = known.setdefault(place, [])
    if sign > 0:
        insort(moments, at)
        return
    del moments[bisect_left(moments, at)]
    if not moments:
        del known[place]


def _order(segment: QueueSegment) -> tuple[int, int, int]:
    end = segment.answered if segment.answered is not None else segment.left
    return (
        _OPEN if end is None else end,
        -1 if segment.joined is None else segment.joined,
        _OPEN if segment.left is None else segment.left,
    )
