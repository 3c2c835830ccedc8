"""Tests of a day's hours, none of which is repeated or missing in any time zone."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest

from floorcast.archive.hours import HOUR_MS, hour_at, hours_between, hours_of
from floorcast.floor.days import Calendar


@pytest.mark.parametrize(
    ("zone", "day", "hours", "last"),
    [
        ("America/New_York", date(2026, 3, 8), 23, HOUR_MS),
        ("America/New_York", date(2026, 11, 1), 25, HOUR_MS),
        ("Australia/Lord_Howe", date(2026, 10, 4), 24, HOUR_MS // 2),
        ("Australia/Lord_Howe", date(2026, 4, 5), 25, HOUR_MS // 2),
        ("Pacific/Kiritimati", date(2026, 11, 26), 24, HOUR_MS),
    ],
)
def test_a_day_is_divided_by_elapsed_time(zone: str, day: date, hours: int, last: int) -> None:
    """If the clocks change by half an hour, the last hour of the day has only 30 minutes."""
    calendar = Calendar(zone)
    found = hours_of(7, day.toordinal(), calendar)
    assert len(found) == hours
    assert found[-1].end - found[-1].start == last
    assert [one.number for one in found] == list(range(hours))
    assert all(one.end == other.start for one, other in pairwise(found))
    assert (found[0].start, found[-1].end) == calendar.bounds(day.toordinal())
    assert len({one.path for one in found}) == hours
    for one in found:
        assert hour_at(7, one.start, calendar) == one == hour_at(7, one.end - 1, calendar)


def test_hours_between_overlap_the_span() -> None:
    """A span that crosses midnight overlaps hours of both days. An empty span overlaps no hour."""
    calendar = Calendar("UTC")
    day = date(2026, 11, 26).toordinal()
    begin = calendar.bounds(day)[1] - HOUR_MS // 2
    found = hours_between(7, begin, begin + HOUR_MS, calendar)
    assert [one.name for one in found] == ["2026-11-26/23", "2026-11-27/00"]
    assert list(hours_between(7, begin, begin, calendar)) == []


def test_an_hour_is_corrected_before_the_next_day_ends() -> None:
    """An hour's correction is due 22 hours after its end, before the following day ends."""
    calendar = Calendar("America/New_York")
    for day in (date(2026, 3, 7), date(2026, 10, 31), date(2026, 11, 26)):
        for hour in hours_of(7, day.toordinal(), calendar):
            assert hour.cut(1) < hour.cut(2) <= calendar.bounds(hour.day + 1)[1]
            assert hour.cut(2) - hour.start <= 23 * HOUR_MS
