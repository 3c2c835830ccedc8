"""Converts a PBX recording to events, and moves events to another day. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from itertools import chain, pairwise
from math import inf
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from floorcast.client import CloudEvent
from floorcast.connectors.pbx.event_check import check_event
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import PbxEvent
from floorcast.connectors.pbx.source_clock import IMPOSSIBLY_AHEAD_SECONDS
from floorcast.connectors.pbx.unreadable import Unreadable

__all__ = ["ConvertedRecording", "map_events", "read_frames", "shift_events"]

FINAL_WAIT_SECONDS = 60.0  # seconds after the last PBX event, when all grace periods are over
READ_BYTES = 1 << 20  # read from a recording at a time


Frame_co = TypeVar("Frame_co", covariant=True)


class FrameReader(Protocol[Frame_co]):
    """Splits bytes into frames. A frame that cannot be read is an Unreadable."""

    def feed(self, data: bytes, /) -> Iterable[Frame_co | Unreadable]:
        """Return the frames that end in ``data``."""

    def finish(self) -> Iterable[Frame_co | Unreadable]:
        """Return what remains after the last byte."""


class ConvertedRecording(Struct, kw_only=True):
    """Events in order of time, and the number of unreadable lines or frames.

    ``ahead`` is the number of lines or frames that were skipped because their time is a mistake.
    """

    events: list[CloudEvent]
    unreadable: int
    ahead: int = 0


def read_frames(
    read: Callable[[int], bytes], reader: FrameReader[Frame_co]
) -> Iterator[Frame_co | Unreadable]:
    """Yield a recording's frames. ``read`` returns up to the given number of bytes."""
    for data in iter(lambda: read(READ_BYTES), b""):
        yield from reader.feed(data)
    yield from reader.finish()


def shift_events(
    events: list[CloudEvent], day: date | None, zone: ZoneInfo, now: datetime
) -> list[CloudEvent]:
    """Return the events with new times.

    If ``day`` is given, the first event is moved to that day and keeps its local clock time.
    Otherwise, the last event is moved to ``now``. All intervals between events are kept.
    """
    if not events:
        return []
    first, last = events[0].time, events[-1].time
    shift = now - last
    if day is not None:
        clock = first.astimezone(zone)
        shift = datetime.combine(day, clock.time(), zone) - first
    return [structs.replace(event, time=event.time + shift) for event in events]


def map_events(
    mapper: PbxEventMapper, pbx_events: Iterable[PbxEvent], latest: float = inf
) -> ConvertedRecording:
    """Return all CloudEvents that result from PBX events, in order of time.

    A PBX event is skipped if its time is a mistake: after ``latest`` (epoch seconds), or more than
    a day after the times of the PBX events before and after it. It would end all calls, and all
    other events would be moved to before it.
    """
    found: list[CloudEvent] = []
    unreadable: list[Unreadable] = []
    ahead: list[PbxEvent] = []
    last = 0.0
    for one in _without_ahead(pbx_events, latest, ahead.append):
        event = check_event(one, unreadable.append)
        if event is not None:
            last = max(last, event.at)
            found += mapper.apply(event)
    found += mapper.advance(last + FINAL_WAIT_SECONDS)
    unreadable += mapper.take_skipped()
    # a call.leave is known only a second after it happened
    found.sort(key=lambda event: event.time)
    return ConvertedRecording(events=found, unreadable=len(unreadable), ahead=len(ahead))


def _without_ahead(
    pbx_events: Iterable[PbxEvent], latest: float, skip: Callable[[PbxEvent], None]
) -> Iterator[PbxEvent]:
    before: PbxEvent | None = None
    for event, following in pairwise(chain(pbx_events, [None])):
        assert event is not None  # only the last one is
        around = [one.at for one in (before, following) if one is not None]
        is_ahead = following is not None and event.at > max(around) + IMPOSSIBLY_AHEAD_SECONDS
        if event.at > latest or is_ahead:
            skip(event)
        else:
            before = event
            yield event
