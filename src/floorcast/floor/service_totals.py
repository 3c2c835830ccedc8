"""A service's counters that are never reset, for monitoring systems.

They count from the service's first event in floorcast, across midnights and restarts, and are the
same on every node. A correction never lowers a counter, because Prometheus would treat a lower
value as a restart and add the whole value again. Instead, the counter keeps its value until new
counts make up for the correction.
"""

from __future__ import annotations

from bisect import bisect_left
from enum import IntEnum

from msgspec import Struct, field

from floorcast.floor.intervals import MOVED_ON

__all__ = ["WAIT_BOUNDS", "ServiceTotals", "Total"]

WAIT_BOUNDS = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600)
"""The upper bounds of the buckets of waits, in seconds."""

_BOUNDS_MS = tuple(1000 * bound for bound in WAIT_BOUNDS)


_REASONS = len(MOVED_ON)


class Total(IntEnum):
    """The counted events.

    ``WAIT`` is in ms. Each wait counts in one bucket. The last bucket has no upper bound.
    """

    OFFERED = 0
    HANDLED = 1
    ABANDONED = 2
    ANSWERED_WITHIN = 3
    WAIT = 4
    MOVED_ON = 5
    BUCKETS = 5 + _REASONS


_WAIT, _BUCKETS = int(Total.WAIT), int(Total.BUCKETS)  # for speed, as in ``call_counts``
_COUNT = _BUCKETS + len(WAIT_BOUNDS) + 1


def _zeros() -> list[int]:
    return [0] * _COUNT


class ServiceTotals(Struct):
    """One service's counts. ``now`` is corrected; ``most``, the highest values, is shown."""

    now: list[int] = field(default_factory=_zeros)
    most: list[int] = field(default_factory=_zeros)

    def add(self, total: int, amount: int) -> None:
        """Add to a count."""
        now = self.now[total] = self.now[total] + amount
        self.most[total] = max(self.most[total], now)

    def add_wait(self, wait: int, sign: int) -> None:
        """Count the wait (ms) of a call that was answered (+1), or take it back (-1)."""
        self.add(_WAIT, sign * wait)
        self.add(_BUCKETS + bisect_left(_BOUNDS_MS, wait), sign)
