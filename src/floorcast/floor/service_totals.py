"""Counters of a service that are never reset, for monitoring systems.

They count from the first event that floorcast has of a service, over midnights and restarts, and
are the same on every node. A correction never lowers one: Prometheus takes a lower value for a
restart and adds all of it again. A counter stays where it is until new counts make up for it.
"""

from __future__ import annotations

from bisect import bisect_left
from enum import IntEnum

from msgspec import Struct, field

from floorcast.floor.intervals import MOVED_ON

__all__ = ["WAIT_BOUNDS", "ServiceTotals", "Total"]

WAIT_BOUNDS = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600)
"""Seconds: upper bounds of the histogram of waits."""

_BOUNDS_MS = tuple(1000 * bound for bound in WAIT_BOUNDS)


_REASONS = len(MOVED_ON)


class Total(IntEnum):
    """The counted events.

    ``WAIT`` is in ms. Each wait is in one bucket, of which the last has no bound.
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
    """The counts of one service: ``now`` as corrected, and ``most``, which are shown."""

    now: list[int] = field(default_factory=_zeros)
    most: list[int] = field(default_factory=_zeros)

    def add(self, total: int, amount: int) -> None:
        """Add to a count."""
        now = self.now[total] = self.now[total] + amount
        self.most[total] = max(self.most[total], now)

    def add_wait(self, wait: int, sign: int) -> None:
        """Count the wait (ms) of a call that was answered, or take it back."""
        self.add(_WAIT, sign * wait)
        self.add(_BUCKETS + bisect_left(_BOUNDS_MS, wait), sign)
