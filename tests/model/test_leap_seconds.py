"""Tests of times within a leap second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.model.leap_seconds import replace_leap_second

MINUTE = timedelta(minutes=1)


@given(
    st.integers(2, 2_900_000),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["", ".0", ".25", ".999999999"]),
)
def test_a_leap_second_becomes_the_last_microsecond_before_it(
    day: int, offset: int, fraction: str
) -> None:
    """This applies to any offset: a leap second is before midnight in UTC."""
    midnight = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
    minute = (midnight - MINUTE).astimezone(timezone(offset * MINUTE))
    day_and_minute, zone = minute.isoformat()[:16], minute.isoformat()[19:]
    text = f"{day_and_minute}:60{fraction}{zone}"
    replaced = datetime.fromisoformat(replace_leap_second(text))
    assert replaced == midnight - timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
        ("2016-12-31t23:59:60.5z", "2016-12-31T23:59:59.999999Z"),
        ("2016-12-31 23:59:60", "2016-12-31 23:59:59.999999"),
    ],
)
def test_all_spellings_are_replaced(text: str, replaced: str) -> None:
    """Lower case, a space and a missing zone are allowed."""
    assert replace_leap_second(text) == replaced


def test_a_time_without_a_zone_is_in_the_given_zone() -> None:
    """23:59:60 in New York is no leap second, but 18:59:60 is."""
    zone = ZoneInfo("America/New_York")
    assert replace_leap_second("2016-12-31T18:59:60", zone) == "2016-12-31T18:59:59.999999"
    assert replace_leap_second("2016-12-31T23:59:60", zone) == "2016-12-31T23:59:60"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "60",
        "2016-12-31T23:59:59Z",
        "2016-12-31T23:59:61Z",
        "2016-12-31T12:34:60Z",
        "2016-12-31T23:59:60+01:00",
        "2016-12-32T23:59:60Z",
        "0001-01-01T00:00:60+14:00",
        "2016-12-31T23:59:60Z ",
        "x2016-12-31T23:59:60Z",
    ],
)
def test_other_texts_are_unchanged(text: str) -> None:
    """They remain as invalid or as valid as they were."""
    assert replace_leap_second(text) == text
