"""Finds the hours before the log's first entry that have backfilled events.

A source can send events from before the client's first entry, such as a connector's backlog. The
manifests of the hours in which these events arrived name the hours to which they belong.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from floorcast.archive.hours import Hour, hours_between
from floorcast.archive.manifests import HourManifest, late_hours
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
        oldest = calendar.bounds(day_before)[0]
        begins = [start for start in late_hours(manifest) if start >= oldest]
        for hour in hours_between(client, min(begins, default=until), until, calendar):
            cuts.setdefault(hour, min(manifest.cut, hour.day_after_next))
    return dict(sorted(cuts.items()))
