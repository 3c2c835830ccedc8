"""Creates the events to send, whose numbers and times must fit into the formats. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from floorcast.client import CloudEvent
from floorcast.connectors.livevox.event_data import Data
from floorcast.connectors.pbx.unreadable import Unreadable

__all__ = ["is_time", "is_too_large", "new_event"]

MAX_NUMBER = 2**63 - 1
MAX_TIME_MS = 253_402_300_799_999  # the end of the year 9999

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_event(source: str, event_id: str, kind: str, at: int, data: Data) -> CloudEvent:
    """Return an event that happened at ``at`` (ms).

    Raises Unreadable if a number or the time is too large.
    """
    if is_too_large(data) or not is_time(at):
        raise Unreadable(f"a {kind} with a number or a time that is too large")
    time = _EPOCH + timedelta(milliseconds=at)
    return CloudEvent(id=event_id, source=source, type=kind, time=time, data=data)


def is_time(at: int) -> bool:
    """Return whether a time in ms can be written as a date."""
    return 0 <= at <= MAX_TIME_MS


def is_too_large(value: object) -> bool:
    """Return whether a number, or any number in a dictionary, needs more than 64 bits."""
    if isinstance(value, dict):
        return any(map(is_too_large, value.values()))
    return isinstance(value, int) and not -MAX_NUMBER <= value <= MAX_NUMBER
