"""Computes how long calls waited, from the durations in their ends or the list of waiting calls."""

from __future__ import annotations

from collections.abc import Iterable

from floorcast.client.answers import WaitingCall
from floorcast.client.events import (
    CallTermination,
)
from floorcast.connectors.livevox import event_data
from floorcast.connectors.livevox.state import FeedCall

__all__ = [
    "SECOND_MS",
    "by_contact",
    "duration_ms",
    "had_no_wait",
    "match_waiting_call",
    "wait_start",
]

SECOND_MS = 1000
MAX_DURATION = 7 * 86_400  # seconds


def had_no_wait(event: CallTermination, call: FeedCall, answered: int | None, hold: int) -> bool:
    """Return whether an agent made the call, in which case the call was answered without a wait."""
    if answered is None or hold:
        return False
    direction = event_data.direction_of(event) or call.direction
    return direction == "MANUAL" or (direction == "OUTBOUND" and call.dialed)


def duration_ms(seconds: int | None) -> int:
    """Convert seconds to ms. An invalid duration becomes 0."""
    return seconds * SECOND_MS if seconds and 0 < seconds <= MAX_DURATION else 0


def wait_start(started: int | None, until: int, hold: int) -> int:
    """Return the start of a wait of ``hold`` ms that ended at ``until``.

    ``hold`` was rounded down to seconds. Most calls wait from their start, so the result is the
    call's start if that agrees with the wait to the second. Otherwise, if times have milliseconds,
    half a second is added to the wait, which is the average that rounding removes. The result is
    always before ``until``, because at equal times the order of arrival would decide.
    """
    if started is not None and 0 <= until - started - hold < SECOND_MS:
        return min(started, until - 1)
    if until % SECOND_MS and hold:
        hold += SECOND_MS // 2
    return max(until - max(hold, 1), 0)


def by_contact(calls: Iterable[FeedCall]) -> dict[str, list[FeedCall]]:
    """Return the started calls without an agent, by phone number and account, oldest first."""
    found: dict[str, list[FeedCall]] = {}
    for call in calls:
        if call.free_since is not None and not call.agent:
            for contact in {call.phone, call.account} - {None, ""}:
                found.setdefault(str(contact), []).append(call)
    for same in found.values():
        same.sort(key=lambda call: call.free_since or 0)
    return found


def match_waiting_call(
    row: WaitingCall, free: dict[str, list[FeedCall]], used: set[str]
) -> FeedCall | None:
    """Return the call that matches a row, and remove the call from ``free``.

    Rows must be passed in order, newest first.
    """
    before = (row.time_stamp or 0) * SECOND_MS + SECOND_MS
    for contact in (row.phone, row.account):
        left = free.get(contact or "", [])
        while left:
            found = left.pop()
            if found.key not in used and (found.free_since or 0) < before:
                used.add(found.key)
                return found
    return None
