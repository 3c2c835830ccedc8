"""Finds the hours before the log's first entry that have backfilled events.

A source can send events from before the client's first entry, such as a connector's backlog. The
manifests of the hours in which these events arrived name the hours to which they belong.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from floorcast.archive.hours import HOUR_MS, Hour, hours_between
from floorcast.archive.manifests import HourManifest
from floorcast.floor.days import Calendar

__all__ = ["backfill_begin", "backfilled_hours"]


def backfill_begin(first_ms: int, calendar: Calendar) -> int:
    """Return the time (ms) before which no event counts, if the log begins at ``first_ms``.

    The floor counts events of the current day and of the day before.
    """
    return calendar.bounds(calendar.day_of(first_ms) - 1)[0]


def backfilled_hours(
    client: int, manifests: Iterable[HourManifest], until: int, calendar: Calendar
) -> dict[Hour, int]:
    """Return the hours before the log's first hour, from the first backfilled one on, in order.

    ``until`` is the start of the log's first hour (ms). Each hour has the cut (ms) of its revision
    1: the cut of the first hour in which events for it or for an earlier hour arrived.
    """
    cuts: dict[Hour, int] = {}
    for manifest in sorted(manifests, key=lambda one: one.start):
        if manifest.start < until:
            continue  # from an earlier log of the same client
        day_before = date.fromisoformat(manifest.date).toordinal() - 1
        begins = [
            start for name in manifest.late if (start := _start_of(name, day_before, calendar))
        ]
        for hour in hours_between(client, min(begins, default=until), until, calendar):
            cuts.setdefault(hour, min(manifest.cut, hour.day_after_next))
    return dict(sorted(cuts.items()))


def _start_of(name: str, first_day: int, calendar: Calendar) -> int | None:
    """Return the start (ms) of the hour with a name, or None if it is before ``first_day``."""
    day_text, number = name.split("/")
    day = date.fromisoformat(day_text).toordinal()
    return None if day < first_day else calendar.bounds(day)[0] + int(number) * HOUR_MS
