"""Logs frequent events in one line per kind and period, with the number of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import structlog

__all__ = ["PERIOD_SECONDS", "Notices"]

PERIOD_SECONDS = 10.0  # between two lines of the same kind

_log = structlog.stdlib.get_logger(__name__)


class Notices:
    """Counts closed and refused connections by kind, and logs them periodically."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.counts: Counter[str] = Counter()  # since the start, by kind
        self._clock = clock
        self._told: dict[str, float] = {}  # when each kind was last logged
        self._untold: Counter[str] = Counter()
        self._address: dict[str, str] = {}  # the address of the last event, by kind

    def note(self, kind: str, address: str) -> None:
        """Count an event. It is logged now, or later together with the events that follow."""
        self.counts[kind] += 1
        self._untold[kind] += 1
        self._address[kind] = address
        self._tell(kind, self._clock())

    def tell(self) -> None:
        """Log the kinds whose period has passed."""
        now = self._clock()
        for kind in list(self._untold):
            self._tell(kind, now)

    def _tell(self, kind: str, now: float) -> None:
        last = self._told.get(kind)
        if last is not None and now - last < PERIOD_SECONDS:
            return
        self._told[kind] = now
        count, address = self._untold.pop(kind), self._address[kind]
        _log.warning("connections_closed", why=kind, count=count, address=address)
