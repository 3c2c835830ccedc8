"""The time at the source."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["SourceClock"]

MAX_EPOCH = 2**33  # seconds; the year 2242


class SourceClock:
    """Our clock, set by the times that the source gives."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._offset = 0.0  # seconds by which the source's clock is ahead of ours

    def ours(self) -> float:
        """The time here, in seconds of the epoch."""
        return self._clock()

    def now(self) -> float:
        """The time there, in seconds of the epoch."""
        return self._clock() + self._offset

    def note(self, at: float, received: float) -> None:
        """A message received at ``received`` by our clock has the source's time ``at``.

        What is no time (NaN, or beyond the year 2242) is left out: it would be added to all others.
        """
        if 0 <= at < MAX_EPOCH:
            self._offset = at - received

    def note_second(self, second: int, received: float) -> None:
        """A message received at ``received`` has the source's time in whole seconds."""
        if not -1.0 <= received + self._offset - second <= 2.0:
            self._offset = second + 0.5 - received
