"""The hours of an alert rule in local time, such as ``Mon-Fri 08:00-20:00, Sat 22:00-02:00``.

Each span consists of a day or a range of days, and a range of times. A span without days applies
every day. If the end time is not later than the start time, the span ends on the next day. Spans
are in local clock time: an hour that the clocks skip does not occur, and an hour that they repeat
occurs twice.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

__all__ = ["MAX_SPANS", "Hours", "parse_hours"]

MAX_SPANS = 32
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTES_OF_DAY = 1440
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPAN = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? +)?"
    r"(?P<begin>[0-9]{2}:[0-9]{2})-(?P<end>[0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)


class _Span(NamedTuple):
    """A time range on certain weekdays, in minutes since midnight, without the minute ``end``.

    If ``end`` is above 1,440, it is on the next day.
    """

    days: frozenset[int]
    begin: int
    end: int


class Hours:
    """The times of the week at which an alert rule applies."""

    def __init__(self, spans: tuple[_Span, ...]) -> None:
        self._spans = spans

    def includes(self, ms: int, zone: ZoneInfo) -> bool:
        """Return whether the time, in epoch milliseconds, is in one of the spans."""
        local = (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        yesterday = (today - 1) % 7
        return any(
            (today in span.days and span.begin <= minute < span.end)
            or (yesterday in span.days and minute + _MINUTES_OF_DAY < span.end)
            for span in self._spans
        )


def parse_hours(text: str) -> Hours:
    """Parse spans separated by commas. Raises ``ValueError`` for any other text."""
    parts = [part.strip() for part in text.split(",", MAX_SPANS)]
    if len(parts) > MAX_SPANS:
        raise ValueError(f"hours have more than {MAX_SPANS} spans")
    return Hours(tuple(_span(part) for part in parts))


def _span(text: str) -> _Span:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f'hours are written as "Mon-Fri 08:00-20:00", not as "{text}"')
    begin, end = _minute(found["begin"]), _minute(found["end"])
    if begin in (_MINUTES_OF_DAY, end):
        raise ValueError(f'"{text}" has no time between its begin and its end')
    return _Span(
        _days(found["first"], found["last"]), begin, end if end > begin else end + _MINUTES_OF_DAY
    )


def _minute(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute >= 60 or hour * 60 + minute > _MINUTES_OF_DAY:
        raise ValueError(f"{text} is not a time of day; times are from 00:00 to 24:00")
    return hour * 60 + minute


def _days(first: str | None, last: str | None) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    begin = _day(first)
    length = 0 if last is None else (_day(last) - begin) % 7
    return frozenset((begin + after) % 7 for after in range(length + 1))


def _day(text: str) -> int:
    if text.lower() not in _DAYS:
        raise ValueError(f'"{text}" is not a day; days are Mon, Tue, Wed, Thu, Fri, Sat, Sun')
    return _DAYS.index(text.lower())
