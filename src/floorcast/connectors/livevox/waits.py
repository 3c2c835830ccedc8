"""Waits of calls, from the durations of their ends and from the list of waiting calls."""

from __future__ import annotations

from collections.abc import Iterable

from floorcast.client.answers import WaitingCall
from floorcast.client.events import (
    CallTermination,
)
from floorcast.connectors.livevox import event_data
from floorcast.connectors.livevox.state import CallNow

__all__ = [
    "SECOND_MS",
    "by_contact",
    "duration_ms",
    "wait_begin",
    "waiting_call",
    "without_queue",
]

SECOND_MS = 1000
MAX_DURATION = 7 * 86_400  # seconds


def without_queue(event: CallTermination, call: CallNow, answered: int | None, hold: int) -> bool:
    """Whether an agent made the call, which is then answered without a wait."""
    if answered is None or hold:
        return False
    direction = event_data.direction_of(event) or call.direction
    return direction == "MANUAL" or (direction == "OUTBOUND" and call.dialed)


def duration_ms(seconds: int | None) -> int:
    """Convert seconds to ms; 0 for an invalid duration."""
    return seconds * SECOND_MS if seconds and 0 < seconds <= MAX_DURATION else 0


def wait_begin(begun: int | None, until: int, hold: int) -> int:
    """The start of a wait of ``hold`` ms (rounded down to seconds) that ended at ``until``.

    It is the call's start if the seconds agree, because most calls wait from their start.
    Otherwise, if times have milliseconds, half a second is added, the average of what rounding
    removes. The result is before ``until``; at the same time, the order of arrival would decide.
    """
    if begun is not None and 0 <= until - begun - hold < SECOND_MS:
        return min(begun, until - 1)
    if until % SECOND_MS and hold:
        hold += SECOND_MS // 2
    return max(until - max(hold, 1), 0)


def by_contact(calls: Iterable[CallNow]) -> dict[str, list[CallNow]]:
    """The started calls without an agent, by number and account, oldest first."""
    found: dict[str, list[CallNow]] = {}
    for call in calls:
        if call.free_since is not None and not call.agent:
            for contact in {call.phone, call.account} - {None, ""}:
                found.setdefault(str(contact), []).append(call)
    for same in found.values():
        same.sort(key=lambda call: call.free_since or 0)
    return found


def waiting_call(
    row: WaitingCall, free: dict[str, list[CallNow]], used: set[str]
) -> CallNow | None:
    """Return the call of a row and remove it from the remaining ones. Rows are newest first."""
    before = (row.time_stamp or 0) * SECOND_MS + SECOND_MS
    for contact in (row.phone, row.account):
        left = free.get(contact or "", [])
        while left:
            found = left.pop()
            if found.key not in used and (found.free_since or 0) < before:
                used.add(found.key)
                return found
    return None
