"""What time it is at the source."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["SourceClock"]


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
        """What came at ``received`` by our clock says that it is ``at``."""
        self._offset = at - received

    def note_second(self, second: int, received: float) -> None:
        """What came at ``received`` says which second it is: our offset is right to a second."""
        if not -1.0 <= received + self._offset - second <= 2.0:
            self._offset = second + 0.5 - received
