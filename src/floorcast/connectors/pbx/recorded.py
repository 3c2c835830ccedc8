"""Converts a recording of a PBX to events of another day. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from floorcast.client import CloudEvent
from floorcast.connectors.pbx.mapping import Mapping
from floorcast.connectors.pbx.signs import Sign

__all__ = ["READ_BYTES", "Recorded", "events_of", "moved_to"]

LAST_WAIT = 60.0  # seconds after the last sign, when all waits are over
READ_BYTES = 1 << 20  # of a recording at a time


class Recorded(Struct, kw_only=True):
    """Events in order of time, and the number of unreadable lines or frames."""

    events: list[CloudEvent]
    unreadable: int


def moved_to(
    events: list[CloudEvent], day: date | None, zone: ZoneInfo, now: datetime
) -> list[CloudEvent]:
    """Return the events with new times: the first on a day or, without one, the last at ``now``.

    On a day, the first event keeps its local clock time. All intervals between events are kept.
    """
    if not events:
        return []
    first, last = events[0].time, events[-1].time
    shift = now - last
    if day is not None:
        clock = first.astimezone(zone)
        shift = datetime.combine(day, clock.time(), zone) - first
    return [structs.replace(event, time=event.time + shift) for event in events]


def events_of(mapping: Mapping, signs: Iterable[Sign]) -> list[CloudEvent]:
    """Return all events that result from signs, in order of time."""
    found: list[CloudEvent] = []
    last = 0.0
    for sign in signs:
        last = max(last, sign.at)
        found += mapping.apply(sign)
    found += mapping.advance(last + LAST_WAIT)
    # a call.leave is known only a second after it happened
    return sorted(found, key=lambda event: event.time)
