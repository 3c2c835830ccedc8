"""Moves the counts of services from the days of one time zone to those of another.

The slots of a day have fixed times, so they can be moved. A service's counters for a day are the
sums of its slots. An agent's counters for a day have no slots and stay on their days.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from floorcast.floor.counters import ServiceDay
from floorcast.floor.days import Calendar
from floorcast.floor.intervals import (
    COLUMNS,
    SLOT_MS,
    SLOTS_OF_HOUR,
    Column,
    ServiceIntervals,
)

__all__ = ["DayIntervals", "move_intervals", "summed"]

DayIntervals = dict[int, dict[int, ServiceIntervals]]
"""Slots by day and service."""

OldDay = tuple[Calendar, int]
"""A calendar and one of its days."""

_SUMS = {
    "offered": Column.OFFERED,
    "handled": Column.HANDLED,
    "handled_wait": Column.WAIT,
    "handled_within": Column.ANSWERED_WITHIN,
    "abandoned": Column.ABANDONED,
    "abandoned_wait": Column.ABANDONED_WAIT,
    "abandoned_within": Column.ABANDONED_WITHIN,
    "abandoned_short": Column.ABANDONED_SHORT,
    "talks": Column.TALKS,
    "talk": Column.TALK,
    "wrap_up": Column.WRAP_UP,
    "unqueued": Column.UNQUEUED,
}


def move_intervals(
    slots: ServiceIntervals, day: OldDay, new: Calendar, service: int, moved: DayIntervals
) -> None:
    """Add a service's slots of a day to ``moved``, as slots of the days of ``new``."""
    calendar, number = day
    midnight = calendar.bounds(number)[0]
    for slot, cells, waits in _used_slots(slots):
        at = midnight + slot * SLOT_MS
        new_day = new.day_of(at)
        target = moved.setdefault(new_day, {}).setdefault(service, ServiceIntervals())
        target.put((at - new.bounds(new_day)[0]) // SLOT_MS, cells, waits)


def _used_slots(slots: ServiceIntervals) -> Iterator[tuple[int, array[int], list[int]]]:
    """Yield the number, the counters and the waits of each slot in which anything was counted."""
    for hour, cells in sorted(slots.hours.items()):
        for index in range(SLOTS_OF_HOUR):
            row = cells[index * COLUMNS : (index + 1) * COLUMNS]
            if any(row):
                slot = hour * SLOTS_OF_HOUR + index
                yield slot, row, list(slots.waits_of(slot, slot + 1))


def summed(slots: ServiceIntervals) -> ServiceDay:
    """Return a service's counters for a day, which are the sums of its slots."""
    return ServiceDay(
        **{
            name: sum(sum(cells[column::COLUMNS]) for cells in slots.hours.values())
            for name, column in _SUMS.items()
        }
    )
