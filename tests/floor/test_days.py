"""Tests for the client's calendar."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from floorcast.floor.days import Calendar

NOON = 1_795_953_600_000  # 2026-11-29 12:00 in UTC
ZONES = ("UTC", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago")


@pytest.mark.parametrize("zone", ZONES)
@given(ms=st.integers())
@example(ms=253_402_300_799_999)  # the last millisecond of the year 9999
@example(ms=-62_135_596_800_000)  # the first one of the year 1
def test_every_time_has_a_day_and_leaves_today_as_it_is(zone: str, ms: int) -> None:
    """A time that no date can express has the nearest day, and the calendar knows today after it.

    A floor and its statistics share one calendar: a day that stays in it by mistake is wrong for
    everybody.
    """
    calendar = Calendar(zone)
    today = calendar.day_of(NOON)
    begin, end = calendar.bounds(calendar.day_of(ms))
    assert begin < end
    assert calendar.stamp(ms)
    assert calendar.day_of(NOON) == today
    assert calendar.bounds(today) == Calendar(zone).bounds(today)
