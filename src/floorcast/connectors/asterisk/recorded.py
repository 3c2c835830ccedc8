"""What an Asterisk wrote down, a queue log or a recording of AMI, as events. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from itertools import chain
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from floorcast.client import CloudEvent
from floorcast.connectors.asterisk.ami_events import AmiEvents
from floorcast.connectors.asterisk.frames import FrameReader
from floorcast.connectors.asterisk.queue_log_lines import UnreadableLine, read_line, sign_of
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.mapping import Mapping
from floorcast.connectors.pbx.signs import Sign
from floorcast.connectors.pbx.state import State

__all__ = ["Recorded", "moved_to", "read_ami", "read_queue_log"]

LAST_WAIT = 60.0  # seconds after the last sign: all that waits for more has been decided then
READ_BYTES = 1 << 20


class Recorded(Struct, kw_only=True):
    """Events in order of time, and how many lines or frames could not be read."""

    events: list[CloudEvent]
    unreadable: int


def read_queue_log(lines: Iterable[str], source: str) -> Recorded:
    """The events of a queue log; ``source`` names the Asterisk in ids."""
    unreadable = 0

    def signs() -> Iterator[Sign]:
        nonlocal unreadable
        for line in lines:
            try:
                sign = sign_of(read_line(line))
            except UnreadableLine:
                unreadable += bool(line.strip())
                continue
            if sign is not None:
                yield sign

    mapping = Mapping(MappingConfig(source=source), State(), hangups=False, whole_seconds=True)
    return Recorded(events=_events(mapping, signs()), unreadable=unreadable)


def read_ami(read: Callable[[int], bytes], source: str) -> Recorded:
    """The events of a recording of AMI; ``read`` gives so many bytes of it, none at its end."""
    unreadable = 0
    frames, events = FrameReader(), AmiEvents(replies=True)

    def signs() -> Iterator[Sign]:
        nonlocal unreadable
        last = 0.0
        for data in chain(iter(lambda: read(READ_BYTES), b""), [b"\n\n"]):
            for frame in frames.feed(data):
                try:
                    if isinstance(frame, UnreadableLine):
                        raise frame
                    sign = events.sign(frame, last)
                except UnreadableLine:
                    unreadable += 1
                    continue
                if sign is not None and sign.at:  # else before the first time that is told
                    last = sign.at
                    yield sign

    mapping = Mapping(MappingConfig(source=source), State(), hangups=True)
    return Recorded(events=_events(mapping, signs()), unreadable=unreadable)


def moved_to(
    events: list[CloudEvent], day: date | None, zone: ZoneInfo, now: datetime
) -> list[CloudEvent]:
    """The events with other times: the first on a day, or without one, the last at ``now``.

    On a day, the first event keeps its clock time in the zone. All distances are kept.
    """
    if not events:
        return []
    first, last = events[0].time, events[-1].time
    shift = now - last
    if day is not None:
        clock = first.astimezone(zone)
        shift = datetime.combine(day, clock.time(), zone) - first
    return [structs.replace(event, time=event.time + shift) for event in events]


def _events(mapping: Mapping, signs: Iterator[Sign]) -> list[CloudEvent]:
    found: list[CloudEvent] = []
    last = 0.0
    for sign in signs:
        last = max(last, sign.at)
        found += mapping.apply(sign)
    found += mapping.advance(last + LAST_WAIT)
    # A call.leave is known a second after it happened.
    return sorted(found, key=lambda event: event.time)
