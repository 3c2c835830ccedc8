"""The client's days: finds the day that contains a time, and the bounds of today."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

__all__ = ["QUARTER_MS", "ClientDays"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUARTER_MS = 900_000
_TWO_DAYS = 48 * 3_600_000  # ms


class ClientDays:
    """A time zone's calendar around a given time (ms)."""

    def __init__(self, zone: str, now: int) -> None:
        self._zone = ZoneInfo(zone)
        self.today = self.of(now)
        self.begin = self._first(self.today, now)
        self.end = self._first(self.today + timedelta(days=1), now + _TWO_DAYS)

    def of(self, ms: int) -> date:
        """Return the local date at a time."""
        return (_EPOCH + timedelta(milliseconds=ms)).astimezone(self._zone).date()

    def quarter(self, ms: int) -> int:
        """Return the number of the quarter hour that contains a time, counted from midnight."""
        return (ms - self.begin) // QUARTER_MS

    def is_today(self, ms: int) -> bool:
        """Return whether a time is today."""
        return self.begin <= ms < self.end

    def _first(self, day: date, late: int) -> int:
        """Find the first ms of a day by bisection. ``late`` is a time in the day or after it."""
        early = late - 2 * _TWO_DAYS
        while late - early > 1:
            middle = (early + late) // 2
            if self.of(middle) >= day:
                late = middle
            else:
                early = middle
        return late
