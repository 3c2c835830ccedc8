"""Tests that move recordings to another day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

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
