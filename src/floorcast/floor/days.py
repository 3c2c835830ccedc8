"""The client's calendar, which assigns times to days and formats times.

A day is a calendar day in the client's IANA time zone, from local midnight to local midnight. It
has 23 or 25 hours when the clocks change. A day's number is its proleptic ordinal
(``date.toordinal``). Times are whole epoch milliseconds.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

__all__ = ["Calendar", "utc_stamp"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND = -62_135_596_800  # from year 1 to the end of year 9999: the range of a datetime
_LAST_SECOND = 253_402_300_799
_FIRST_MS = (_FIRST_SECOND + 2 * 86_400) * 1000  # in every zone, its day and the next are dates
_LAST_MS = (_LAST_SECOND - 2 * 86_400) * 1000
_SECONDS_PRINTED = 4096  # events arrive in order of time and share seconds
_KEPT = 8  # days whose bounds are cached; a floor uses yesterday, today and tomorrow


class Calendar:
    """The calendar of one time zone.

    A time outside the years 1 to 9999 counts as the nearest time that has a day.
    """

    def __init__(self, time_zone: str) -> None:
        self.zone = ZoneInfo(time_zone)
        self._start = 0
        self._end = 0
        self._day = 0
        self._bounds: dict[int, tuple[int, int]] = {}
        self._second = -1
        self._printed = ("", "")

    def day_of(self, ms: int) -> int:
        """Return the day that contains a time."""
        if not self._start <= ms < self._end:
            day = self._local(ms).toordinal()
            self._start, self._end = self.bounds(day)
            self._day = day
        return self._day

    def same_day(self, begin: int, end: int) -> int | None:
        """Return the day of both times if ``day_of`` returned it last, or else None (for speed)."""
        return self._day if self._start <= begin and end < self._end else None

    def bounds(self, day: int) -> tuple[int, int]:
        """Return the first millisecond of a day and of the next day."""
        known = self._bounds.get(day)
        if known is None:
            if len(self._bounds) >= _KEPT:
                self._bounds.clear()
            known = self._bounds[day] = (self._midnight(day), self._midnight(day + 1))
        return known

    def stamp(self, ms: int) -> str:
        """Format a time with the zone's offset: ``2021-04-24T04:44:08.000-04:00``."""
        second, rest = divmod(ms, 1000)
        if second != self._second:
            text = self._local(second * 1000).isoformat()
            self._second, self._printed = second, (text[:19], text[19:])
        clock, offset = self._printed
        return f"{clock}.{rest:03d}{offset}"

    def _local(self, ms: int) -> datetime:
        kept = min(max(ms, _FIRST_MS), _LAST_MS)
        return (_EPOCH + timedelta(milliseconds=kept)).astimezone(self.zone)

    def _midnight(self, day: int) -> int:
        # If the clocks skip or repeat midnight, fold=0 gives the first instant of the calendar day.
        start = date.fromordinal(day)
        local = datetime(start.year, start.month, start.day, tzinfo=self.zone)
        return int((local - _EPOCH).total_seconds()) * 1000


_printed: dict[int, str] = {}
_MILLISECONDS = tuple(f".{rest:03d}Z" for rest in range(1000))


def utc_stamp(ms: int) -> str:
    """Format a time in UTC: ``2023-06-05T09:36:00.000Z``."""
    second = ms // 1000
    text = _printed.get(second)
    if text is None:
        if len(_printed) >= _SECONDS_PRINTED:
            _printed.clear()
        kept = min(max(second, _FIRST_SECOND), _LAST_SECOND)
        text = _printed[second] = (_EPOCH + timedelta(seconds=kept)).isoformat()[:19]
    return text + _MILLISECONDS[ms % 1000]
