"""Merges PBX events from AMI and ``queue_log``. No I/O.

A PBX event that both sources report counts once.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from floorcast.connectors.pbx.pbx_events import PbxEvent, dedup_key

__all__ = ["PbxEventMerger", "PbxEventSource"]

MAX_APART_SECONDS = 2.0  # between the two sources' times; ``queue_log`` has whole seconds
REMEMBER_SECONDS = 60.0  # during which the other source's event is expected
MAX_REMEMBERED_EVENTS = 100_000


class PbxEventSource(StrEnum):
    """The source of a PBX event."""

    AMI = "ami"
    QUEUE_LOG = "queue_log"


class PbxEventMerger:
    """Remembers the PBX events of one source until the other source has reported them too."""

    def __init__(self) -> None:
        self._unmatched: dict[tuple[object, ...], deque[float]] = {}
        self._order: deque[tuple[float, tuple[object, ...]]] = deque()

    def is_new(self, origin: PbxEventSource, event: PbxEvent) -> bool:
        """Return whether the other source has not reported this PBX event yet."""
        key = dedup_key(event)
        if key is None:
            return True
        other = PbxEventSource.QUEUE_LOG if origin is PbxEventSource.AMI else PbxEventSource.AMI
        times = self._unmatched.get((other, *key))
        if times and abs(times[0] - event.at) <= MAX_APART_SECONDS:
            times.popleft()
            return False
        self._unmatched.setdefault((origin, *key), deque()).append(event.at)
        self._order.append((event.at, (origin, *key)))
        self._forget(event.at)
        return True

    def _forget(self, now: float) -> None:
        while self._order:
            at, key = self._order[0]
            if at > now - REMEMBER_SECONDS and len(self._order) <= MAX_REMEMBERED_EVENTS:
                return
            self._order.popleft()
            times = self._unmatched.get(key)
            if times and times[0] == at:
                times.popleft()
            if not times:
                self._unmatched.pop(key, None)
