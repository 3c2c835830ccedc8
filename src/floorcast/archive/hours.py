"""The hours of a client's days, and the times at which they are sealed.

Like intervals, hours count the time elapsed since the client's local midnight. A day of 23 hours
therefore has the hours 0 to 22, and a day of 25 hours has the hours 0 to 24. If the clocks change
by half an hour, the last hour of the day is half an hour long.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from floorcast.floor.days import Calendar

__all__ = [
    "HOUR_MS",
    "MAX_AHEAD_MS",
    "SEAL_DELAY_MS",
    "Hour",
    "hour_at",
    "hour_start",
    "hours_between",
    "hours_of",
]

HOUR_MS = 3_600_000
SEAL_DELAY_MS = 10 * 60_000
"""The delay from an hour's end to its sealing, which includes events recorded until then."""
CORRECTION_DELAY_MS = 22 * HOUR_MS  # the log keeps an hour for at least 26 hours after its start
MAX_AHEAD_MS = 5 * 60_000  # the most by which an event can be ahead of the log (``ingest.decode``)


class Hour(NamedTuple):
    """A client's hour, with its day (an ordinal), its number in the day, and its bounds in ms."""

    client: int
    day: int
    number: int
    start: int
    end: int
    day_after_next: int
    """The end of the next day, until which counters are kept."""

    @property
    def date(self) -> str:
        """The date in ISO 8601 format."""
        return date.fromordinal(self.day).isoformat()

    @property
    def name(self) -> str:
        """The name of the hour within its client, such as ``2026-11-26/14``."""
        return f"{self.date}/{self.number:02d}"

    @property
    def path(self) -> str:
        """The hour's folder in the archive."""
        return f"client={self.client}/date={self.date}/hour={self.number:02d}"

    def overlaps(self, other: Hour) -> bool:
        """Return whether the two hours have a time in common."""
        return self.start < other.end and self.end > other.start

    def cut(self, revision: int) -> int:
        """Return the time (ms) until which recorded events count in revision 1 (sealed) or 2."""
        if revision == 1:
            return self.end + SEAL_DELAY_MS
        return min(self.end + CORRECTION_DELAY_MS, self.day_after_next)


def hours_of(client: int, day: int, calendar: Calendar) -> list[Hour]:
    """Return the hours of a day."""
    begin, end = calendar.bounds(day)
    last = calendar.bounds(day + 1)[1]
    return [
        Hour(client, day, number, start, min(start + HOUR_MS, end), last)
        for number, start in enumerate(range(begin, end, HOUR_MS))
    ]


def hour_at(client: int, ms: int, calendar: Calendar) -> Hour:
    """Return the hour that contains a time."""
    day = calendar.day_of(ms)
    return hours_of(client, day, calendar)[(ms - calendar.bounds(day)[0]) // HOUR_MS]


def hours_between(client: int, begin: int, end: int, calendar: Calendar) -> Iterator[Hour]:
    """Yield the hours that begin before ``end`` and end after ``begin``, in order."""
    if begin >= end:
        return
    for day in range(calendar.day_of(begin), calendar.day_of(end - 1) + 1):
        for hour in hours_of(client, day, calendar):
            if hour.start < end and hour.end > begin:
                yield hour


def hour_start(client: int, ms: int, calendar: Calendar) -> int:
    """Return the start of the hour that contains a time."""
    return hour_at(client, ms, calendar).start
