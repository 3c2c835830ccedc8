"""Estimates the time at the source."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["SourceClock"]

MAX_EPOCH = 2**33  # seconds; the year 2242


class SourceClock:
    """A clock that follows the source's clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._offset = 0.0  # seconds by which the source's clock is ahead of the local clock

    def local_now(self) -> float:
        """Return the local time, in epoch seconds."""
        return self._clock()

    def now(self) -> float:
        """Return the source's time, in epoch seconds."""
        return self._clock() + self._offset

    def adjust(self, at: float, received: float) -> None:
        """Set the offset from a message that was sent at ``at`` and received at ``received``.

        ``at`` is the source's time, and ``received`` is the local time. An invalid time (NaN, or
        after the year 2242) is ignored, because it would distort later times.
        """
        if 0 <= at < MAX_EPOCH:
            self._offset = at - received

    def adjust_to_second(self, second: int, received: float) -> None:
        """Set the offset as ``adjust`` does, from a time in whole seconds."""
        if not -1.0 <= received + self._offset - second <= 2.0:
            self._offset = second + 0.5 - received
