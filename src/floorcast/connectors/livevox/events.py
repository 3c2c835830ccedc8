"""Creates the events to send, without the members that the server refuses. No I/O."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

from floorcast.client import CloudEvent
from floorcast.connectors.livevox.event_data import Data
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.inbound import InboundEvent

__all__ = ["is_time", "is_too_large", "new_event"]

MAX_NUMBER = 2**63 - 1
MAX_TIME_MS = 253_402_300_799_999  # the end of the year 9999

_encode = msgspec.json.Encoder().encode
_check = msgspec.json.Decoder(InboundEvent).decode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_event(source: str, event_id: str, kind: str, at: int, data: Data) -> CloudEvent:
    """Return an event that happened at ``at`` (ms), without the members that are not valid.

    Raises Unreadable if a required member is missing or not valid, or if a number or the time is
    too large.
    """
    if is_too_large(data) or not is_time(at):
        raise Unreadable(f"a {kind} with a number or a time that is too large")
    time = _EPOCH + timedelta(milliseconds=at)
    event = CloudEvent(id=event_id, source=source, type=kind, time=time, data=data)
    while True:
        try:
            _check(_encode(event))
        except msgspec.ValidationError as error:
            if not _remove_member(data, str(error)):
                raise Unreadable(f"a {kind} that is not valid: {error}") from None
        else:
            return event


def _remove_member(data: Data, problem: str) -> bool:
    """Remove the member that an error message names. Returns False if there is none."""
    path = problem.partition(" - at `$.data.")[2].rstrip("`")
    names = re.findall(r"\w+", path.partition("[")[0])
    within: object = data
    for name in names[:-1]:
        within = within.get(name) if isinstance(within, dict) else None
    return bool(names) and isinstance(within, dict) and within.pop(names[-1], None) is not None


def is_time(at: int) -> bool:
    """Return whether a time in ms can be written as a date."""
    return 0 <= at <= MAX_TIME_MS


def is_too_large(value: object) -> bool:
    """Return whether a number, or any number in a dictionary, needs more than 64 bits."""
    if isinstance(value, dict):
        return any(map(is_too_large, value.values()))
    return isinstance(value, int) and not -MAX_NUMBER <= value <= MAX_NUMBER
