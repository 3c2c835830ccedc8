"""Merges signs from AMI and ``queue_log``. A sign that both report counts once. No I/O."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from floorcast.connectors.pbx.pbx_events import PbxEvent, dedup_key

__all__ = ["PbxEventMerger", "PbxEventSource"]

APART = 2.0  # maximum seconds between the two sources' times; ``queue_log`` has whole seconds
REMEMBERED = 60.0  # seconds to wait for the other source's sign
MAX_REMEMBERED = 100_000  # signs


class PbxEventSource(StrEnum):
    """The source of a sign."""

    AMI = "ami"
    QUEUE_LOG = "queue_log"


class PbxEventMerger:
    """Remembers the signs of one source until the other source has reported them too."""

    def __init__(self) -> None:
        self._alone: dict[tuple[object, ...], deque[float]] = {}
        self._order: deque[tuple[float, tuple[object, ...]]] = deque()

    def is_new(self, origin: PbxEventSource, sign: PbxEvent) -> bool:
        """Return whether the other source has not reported this sign yet."""
        key = dedup_key(sign)
        if key is None:
            return True
        other = PbxEventSource.QUEUE_LOG if origin is PbxEventSource.AMI else PbxEventSource.AMI
        times = self._alone.get((other, *key))
        if times and abs(times[0] - sign.at) <= APART:
            times.popleft()
            return False
        self._alone.setdefault((origin, *key), deque()).append(sign.at)
        self._order.append((sign.at, (origin, *key)))
        self._forget(sign.at)
        return True

    def _forget(self, now: float) -> None:
        while self._order:
            at, key = self._order[0]
            if at > now - REMEMBERED and len(self._order) <= MAX_REMEMBERED:
                return
            self._order.popleft()
            times = self._alone.get(key)
            if times and times[0] == at:
                times.popleft()
            if not times:
                self._alone.pop(key, None)
