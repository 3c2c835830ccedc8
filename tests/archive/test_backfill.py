"""Tests of the hours before the log's first entry that have backfilled events."""

from __future__ import annotations

from floorcast.archive.backfill import backfill_begin, backfilled_hours
from floorcast.archive.hours import HOUR_MS
from floorcast.archive.manifests import HourManifest
from floorcast.floor.days import Calendar
from tests.archive.sources import CLIENT, DAY_BEGINS, hours
from tests.floor.random_floors import PLAN

CALENDAR = Calendar(PLAN.time_zone)
TEN = DAY_BEGINS + 10 * HOUR_MS


def manifest(number: int, *late: str) -> HourManifest:
    """Return the manifest of an hour with events that belong to the ``late`` hours."""
    hour = hours()[number]
    return HourManifest(
        client=CLIENT, date=hour.date, hour=number, start=hour.start, end=hour.end,
        time_zone=PLAN.time_zone, revision=1, cut=hour.cut(1), first_token=None, last_token=None,
        personal="drop", writer="", files={}, late=dict.fromkeys(late, 1),
    )  # fmt: skip


def test_each_hour_is_cut_with_the_first_hour_in_which_its_events_arrived() -> None:
    """Hours between the first backfilled hour and the log are included, with or without events."""
    ten = manifest(10, "2026-11-23/07", "2026-11-23/08")
    twelve = manifest(12, "2026-11-23/05", "2026-11-23/11")
    found = backfilled_hours(CLIENT, [twelve, ten], TEN, CALENDAR)
    assert {hour.number: cut for hour, cut in found.items()} == {
        5: twelve.cut, 6: twelve.cut, 7: ten.cut, 8: ten.cut, 9: ten.cut,
    }  # fmt: skip


def test_hours_that_no_figure_counts_are_not_backfilled() -> None:
    """Yesterday is the first day that counts. An earlier log's manifests do not count either."""
    ten = manifest(10, "2026-11-21/23", "2026-11-22/23")
    found = backfilled_hours(CLIENT, [ten, manifest(3, "2026-11-22/02")], TEN, CALENDAR)
    assert [hour.name for hour in found][:2] == ["2026-11-22/23", "2026-11-23/00"]
    assert len(found) == 11
    assert backfill_begin(TEN, CALENDAR) == DAY_BEGINS - 24 * HOUR_MS
