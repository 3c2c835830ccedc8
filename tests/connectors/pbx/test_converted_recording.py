"""Tests that move recordings to another day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from floorcast.client import CloudEvent
from floorcast.connectors.asterisk.recording_reader import read_queue_log
from floorcast.connectors.pbx.converted_recording import shift_events
from tests.connectors.asterisk.captured import lines

ZONE = ZoneInfo("America/New_York")


def test_all_times_are_shifted_equally() -> None:
    """The last event is moved to now, or the first keeps its clock time on a given day."""
    events = read_queue_log(lines("22.10.1"), "pbx").events
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    for day in (None, date(2025, 7, 1)):
        moved = shift_events(events, day, ZONE, now)
        assert {_distance(one, other) for one, other in zip(moved, events, strict=True)} == {
            _distance(moved[0], events[0])
        }
        if day is None:
            assert moved[-1].time == now
        else:
            first = moved[0].time.astimezone(ZONE)
            assert (first.date(), first.time()) == (day, events[0].time.astimezone(ZONE).time())
    assert shift_events([], None, ZONE, now) == []


def _distance(one: CloudEvent, other: CloudEvent) -> timedelta:
    return one.time - other.time


QUEUED = "|1.{0}|sales|NONE|ENTERQUEUE||15551234567|1\n"
LEFT = "|1.{0}|sales|NONE|ABANDON|1|1|5\n"
DAY = 86_400


@given(st.integers(0, 5), st.integers(2, 40_000), st.booleans())
def test_one_line_from_the_future_does_not_move_the_others(
    place: int, days: int, is_last_known: bool
) -> None:
    """It is skipped, wherever it is. A pause of several days is not a mistake."""
    began = 1_790_000_000
    recorded = [f"{began + 10 * n}{QUEUED.format(n)}" for n in range(2)]
    recorded += [f"{began + 5 * DAY + 10 * n}{LEFT.format(n)}" for n in range(2)]
    wrong = f"{began + (5 + days) * DAY}{QUEUED.format(9)}"
    place = min(place, len(recorded))
    with_mistake = [*recorded[:place], wrong, *recorded[place:]]
    latest = began + 6.0 * DAY if is_last_known or place == len(recorded) else inf
    found, right = (read_queue_log(one, "pbx", latest) for one in (with_mistake, recorded))
    assert found.events == right.events
    assert (found.ahead, right.ahead) == (1, 0)
