"""How many agents and waiting calls a service has had, from interval to interval."""

from __future__ import annotations

from collections.abc import Mapping

from floorcast.floor.view import COLUMNS, SLOTS_OF_HOUR, Column, ServiceIntervals

__all__ = ["Carried"]

_NEVER = 1 << 30  # a slot that no day has


class Carried:
    """The number of agents and of waiting calls of a service, from slot to slot.

    Begins before slot ``first`` of a day. ``slots`` are by day; ``now`` are the numbers at the
    present.
    """

    def __init__(
        self,
        slots: Mapping[int, ServiceIntervals],
        now: tuple[int, int],
        day: int,
        first: int = 0,
    ) -> None:
        self.slots = slots
        pairs = zip((Column.AGENTS_MOST, Column.QUEUE_MOST), now, strict=True)
        self._count = {most: self._before(most, day, first, number) for most, number in pairs}

    def over(self, day: int, slots: range) -> tuple[int, int]:
        """The most agents, and the most waiting calls, in some slots; go through all in order."""
        intervals = self.slots.get(day)
        if intervals is None:
            return self._count[Column.AGENTS_MOST], self._count[Column.QUEUE_MOST]
        most_agents = self._over(Column.AGENTS_MOST, intervals, slots)
        return most_agents, self._over(Column.QUEUE_MOST, intervals, slots)

    def _over(self, most: Column, intervals: ServiceIntervals, slots: range) -> int:
        found = self._count[most]
        for slot in slots:
            cells = intervals.hours.get(slot // SLOTS_OF_HOUR)
            if cells is None:
                continue
            index = slot % SLOTS_OF_HOUR * COLUMNS + most
            if cells[index + 1]:
                found = max(found, cells[index] - 1)
                self._count[most] = cells[index + 1] - 1
        return found

    def _before(self, most: Column, day: int, first: int, now: int) -> int:
        """What the last change before a slot left; as now, if nothing has ever changed."""
        for number, end in ((day, first), (day - 1, _NEVER)):
            intervals = self.slots.get(number)
            left = None if intervals is None else _last_change(intervals, most, end)
            if left is not None:
                return left
        changed = any(
            _last_change(intervals, most, _NEVER) is not None for intervals in self.slots.values()
        )
        return 0 if changed else now


def _last_change(intervals: ServiceIntervals, most: Column, before: int) -> int | None:
    """The number after the last change before a slot; None: there was none."""
    for hour in sorted(intervals.hours, reverse=True):
        cells = intervals.hours[hour]
        slots = min(SLOTS_OF_HOUR, before - hour * SLOTS_OF_HOUR)
        for row in range(slots - 1, -1, -1):
            left = cells[row * COLUMNS + most + 1]
            if left:
                return left - 1
    return None
