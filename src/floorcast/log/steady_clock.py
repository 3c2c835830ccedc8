"""A clock for whatever deletes old data: it doubts a wall clock that has leapt ahead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from floorcast.model.token import TICKS_PER_SECOND, Now

__all__ = ["SteadyClock"]

LEAP_SECONDS = 3600.0  # that the wall clock may be ahead of the monotonic one
DOUBT_SECONDS = 3600.0  # after which it is believed all the same: a machine may have slept

_log = structlog.get_logger(__name__)


def _since_boot() -> float:
    """Seconds that no one can set, and that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Gives the present in ticks, from any thread.

    While the wall clock ``now`` is more than ``leap_seconds`` ahead of what the ``monotonic``
    clock makes of the last good reading, the latter counts, for an hour at most: a clock that was
    wrong for a moment must not delete a day. ``newest`` is the time of the newest entry that is
    stored, 0 for none: at a start, a wall clock far ahead of it is doubted, too.
    """

    def __init__(
        self,
        now: Now,
        newest: int = 0,
        *,
        leap_seconds: float = LEAP_SECONDS,
        monotonic: Callable[[], float] = _since_boot,
    ) -> None:
        self._now = now
        self._leap = leap_seconds * TICKS_PER_SECOND
        self._monotonic = monotonic
        self._good = newest
        self._good_at = monotonic()
        self._doubted_at: float | None = None
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """The present, in ticks."""
        with self._lock:
            wall, at = self._now(), self._monotonic()
            if wall <= 0:  # a node that has not followed its cluster's log yet
                return wall
            expected = self._good + int((at - self._good_at) * TICKS_PER_SECOND)
            if not self._good or wall - expected <= self._leap:
                if self._doubted_at is not None:
                    _log.warning("retention_goes_on", why="the clock is back")
            elif self._doubts(wall - expected, at):
                return expected
            self._doubted_at = None
            self._good, self._good_at = wall, at
            return wall

    def _doubts(self, ahead: int, at: float) -> bool:
        if self._doubted_at is None:
            self._doubted_at = at
            hours = round(ahead / (3600 * TICKS_PER_SECOND), 1)
            _log.warning("retention_held", clock_ahead_hours=hours, held_seconds=DOUBT_SECONDS)
        if at - self._doubted_at < DOUBT_SECONDS:
            return True
        _log.warning("retention_goes_on", why="the clock has been ahead for an hour")
        return False
