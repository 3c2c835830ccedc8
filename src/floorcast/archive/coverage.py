"""Finds the hours that an archive does not have, by their times.

The names of hours depend on the client's time zone. After a change of the zone, a name that is free
may stand for a time that is already sealed, and a new hour's name may be taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

from floorcast.archive.hours import HOUR_MS, Hour, hours_of
from floorcast.archive.manifests import (
    DAY_MANIFEST,
    DamagedManifest,
    HourManifest,
    late_hours,
    read_day,
)
from floorcast.archive.storage import Archive
from floorcast.floor.days import Calendar
from floorcast.model.errors import Unavailable

__all__ = [
    "SealedHour",
    "first_sealed_ms",
    "late_until",
    "sealed_hours_of",
    "uncovered",
    "with_free_name",
]

DAY_MS = 24 * HOUR_MS
Span = tuple[int, int]


class SealedHour(NamedTuple):
    """The folder of a sealed hour, the hour's bounds in ms, and the known sizes of its files."""

    path: str
    start: int
    end: int
    sizes: Mapping[str, int] = MappingProxyType({})


def uncovered(hours: Iterable[Hour], sealed: Iterable[Span]) -> Iterator[Hour]:
    """Yield the hours, or the parts of them, that no sealed span (ms) covers."""
    spans = sorted(sealed)
    exact = set(spans)
    for hour in hours:
        if (hour.start, hour.end) not in exact:
            yield from _gaps(hour, spans)


def _gaps(hour: Hour, spans: list[Span]) -> Iterator[Hour]:
    begin = hour.start
    for start, end in spans:
        if start >= hour.end:
            break
        if end > begin:
            if start > begin:
                yield hour._replace(start=begin, end=start)
            begin = end
    if begin < hour.end:
        yield hour._replace(start=begin)


def with_free_name(hour: Hour, taken: Collection[str], calendar: Calendar) -> Hour:
    """Return the hour with a number that no other hour of its date has.

    If the number is taken, the hour is numbered after the hours of its day.
    """
    if hour.name not in taken:
        return hour
    numbers = [int(name.split("/")[1]) for name in taken if name.startswith(hour.date)]
    day = hours_of(hour.client, hour.day, calendar)
    return hour._replace(number=max(len(day), max(numbers) + 1))


def late_until(hour: Span, manifests: Iterable[HourManifest]) -> int:
    """Return the last cut (ms) of the hours that have late events for an hour, or 0."""
    return max(
        (
            manifest.cut
            for manifest in manifests
            for begin in late_hours(manifest)
            if begin < hour[1] and begin + HOUR_MS > hour[0]
        ),
        default=0,
    )


def sealed_hours_of(archive: Archive, client: int, begin: int, end: int) -> list[SealedHour]:
    """Return the sealed hours between two times (ms), in order. Raises Unavailable.

    Only the days that are in progress or have hours of several time zones require reading each
    hour's manifest.
    """
    first, last = (
        date.fromordinal(719_163 + at // DAY_MS) for at in (begin - DAY_MS, end + DAY_MS)
    )
    found: list[SealedHour] = []
    for day in archive.dates(client):
        if first.isoformat() <= day <= last.isoformat():
            found += _sealed_on(archive, client, day)
    return sorted(
        (hour for hour in found if hour.start < end and hour.end > begin),
        key=lambda hour: hour.start,
    )


def first_sealed_ms(archive: Archive, client: int) -> int | None:
    """Return the start (ms) of the client's first sealed hour, if any. Raises Unavailable."""
    for day in archive.dates(client):
        if hours := list(_sealed_on(archive, client, day)):
            return min(hour.start for hour in hours)
    return None


def _sealed_on(archive: Archive, client: int, day: str) -> Iterator[SealedHour]:
    folder = f"client={client}/date={day}"
    content = archive.read(f"{folder}/{DAY_MANIFEST}")
    try:
        manifest = None if content is None else read_day(content, folder)
        if manifest is None or manifest.other_zones:
            for hour in archive.hours(client, day):
                yield SealedHour(hour.path, hour.start, hour.end)
            return
    except DamagedManifest as error:
        raise Unavailable(str(error)) from error
    calendar = Calendar(manifest.time_zone)
    known = {
        one.path: one for one in hours_of(client, date.fromisoformat(day).toordinal(), calendar)
    }
    for path, sizes in archive.sealed(client, day).items():
        if path in known:
            yield SealedHour(path, known[path].start, known[path].end, sizes)
