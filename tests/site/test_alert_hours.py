"""Tests of the hours in which alerts are evaluated."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from floorcast.site.alert_hours import MAX_SPANS, parse_hours

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, fold: int = 0) -> int:
    """Return the epoch milliseconds of a local time in Berlin."""
    moment = datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)
    return int(moment.timestamp() * 1000)


@pytest.mark.parametrize(
    ("hours", "moment", "expected"),
    [
        ("Mon-Fri 08:00-20:00", "2026-11-27T08:00:00", True),
        ("Mon-Fri 08:00-20:00", "2026-11-27T07:59:59", False),
        ("Mon-Fri 08:00-20:00", "2026-11-27T20:00:00", False),
        ("Mon-Fri 08:00-20:00", "2026-11-28T12:00:00", False),
        ("Mon-Fri 08:00-20:00, Sat 09:00-13:00", "2026-11-28T12:00:00", True),
        ("Fri-Mon 10:00-11:00", "2026-11-29T10:30:00", True),
        ("Fri-Mon 10:00-11:00", "2026-12-01T10:30:00", False),
        ("Fri 22:00-06:00", "2026-11-28T05:59:00", True),
        ("Fri 22:00-06:00", "2026-11-27T05:59:00", False),
        ("Sun 22:00-06:00", "2026-11-30T01:00:00", True),
        ("00:00-24:00", "2026-11-28T23:59:59", True),
    ],
)
def test_hours_are_spans_of_local_time(hours: str, moment: str, expected: bool) -> None:
    """A span includes its start but not its end, and can cross midnight or the end of the week."""
    assert parse_hours(hours).includes(at(moment), BERLIN) is expected


def test_hours_follow_local_time_across_dst_changes() -> None:
    """An hour that occurs twice is included both times, and a skipped hour is never included."""
    hours = parse_hours("Sun 02:00-03:00")
    assert hours.includes(at("2026-10-25T02:30:00"), BERLIN)
    assert hours.includes(at("2026-10-25T02:30:00", fold=1), BERLIN)
    spring = at("2026-03-29T01:59:59")
    assert not any(hours.includes(spring + minute * 60_000, BERLIN) for minute in range(120))


@pytest.mark.parametrize(
    "text",
    ["", "Mon", "Mon-Foo 08:00-09:00", "8-9", "08:00-08:00", "24:00-01:00", "08:60-09:00",
     "00:00-24:01", ",".join(["08:00-09:00"] * (MAX_SPANS + 1))],
)  # fmt: skip
def test_invalid_hours_raise_an_error(text: str) -> None:
    """A text that is not valid hours raises a ``ValueError``."""
    with pytest.raises(ValueError, match=r"hours|day|time"):
        parse_hours(text)
