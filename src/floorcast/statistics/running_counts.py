"""Carries a service's numbers of agents and waiting calls from one interval to the next."""

from __future__ import annotations

from collections.abc import Mapping

from floorcast.floor.view import COLUMNS, SLOTS_OF_HOUR, Column, ServiceIntervals

__all__ = ["RunningCounts", "counts_before"]

_NEVER = 1 << 30  # a slot that no day has
_AGENTS, _QUEUE = int(Column.AGENTS_MOST), int(Column.QUEUE_MOST)


def counts_before(
    slots: Mapping[int, ServiceIntervals], present: tuple[int, int], day: int, first: int = 0
) -> tuple[int, int]:
    """Return how many agents and waiting calls a service had before slot ``first`` of a day.

    ``slots`` holds the service's slots by day, and ``present`` holds the current numbers.
    """
    return (
        _before(slots, _AGENTS, (day, first), present[0]),
        _before(slots, _QUEUE, (day, first), present[1]),
    )


class RunningCounts:
    """A service's numbers of agents and waiting calls, followed from slot to slot.

    ``current`` holds the numbers at the end of the slots that have been read.
    """

    def __init__(self, slots: Mapping[int, ServiceIntervals], current: tuple[int, int]) -> None:
        self._slots = slots
        self.current = current

    def largest(self, day: int, slots: range) -> tuple[int, int]:
        """Return the largest numbers of agents and waiting calls in some slots.

        The caller must pass the slots in order. It may omit slots without a change.
        """
        intervals = self._slots.get(day)
        if intervals is None:
            return self.current
        agents, queue = most_agents, most_queue = self.current
        for slot in slots:
            cells = intervals.hours.get(slot // SLOTS_OF_HOUR)
            if cells is None:
                continue
            first = slot % SLOTS_OF_HOUR * COLUMNS + _AGENTS
            agents_most, agents_last, queue_most, queue_last = cells[first : first + 4]
            if agents_last:
                most_agents, agents = max(most_agents, agents_most - 1), agents_last - 1
            if queue_last:
                most_queue, queue = max(most_queue, queue_most - 1), queue_last - 1
        self.current = (agents, queue)
        return most_agents, most_queue


def _before(
    slots: Mapping[int, ServiceIntervals], most: int, begin: tuple[int, int], present: int
) -> int:
    """Return the number after the last change before a slot.

    If no slot has a change, return the current number.
    """
    day, first = begin
    for number, end in ((day, first), (day - 1, _NEVER)):
        intervals = slots.get(number)
        left = None if intervals is None else _last_change(intervals, most, end)
        if left is not None:
            return left
    changed = any(
        any(cells[most + 1 :: COLUMNS])
        for intervals in slots.values()
        for cells in intervals.hours.values()
    )
    return 0 if changed else present


def _last_change(intervals: ServiceIntervals, most: int, before: int) -> int | None:
    """Return the number after the last change before a slot, or None if there was no change."""
    if not before or not intervals.hours:
        return None
    hour, slots = divmod(before, SLOTS_OF_HOUR)
    if hour > (last := max(intervals.hours)):
        hour, slots = last, SLOTS_OF_HOUR
    for number in range(hour, -1, -1):
        cells = intervals.hours.get(number)
        if cells is not None:
            left = cells[most + 1 : slots * COLUMNS : COLUMNS]
            if any(left):
                return next(filter(None, reversed(left))) - 1
        slots = SLOTS_OF_HOUR
    return None
