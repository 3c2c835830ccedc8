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
        self._logged_at: dict[str, float] = {}  # when each kind was last logged
        self._unlogged: Counter[str] = Counter()
        self._last_address: dict[str, str] = {}  # the address of the last event, by kind

    def note(self, kind: str, address: str) -> None:
        """Count an event. It is logged now, or later together with the events that follow."""
        self.counts[kind] += 1
        self._unlogged[kind] += 1
        self._last_address[kind] = address
        self._log_if_due(kind, self._clock())

    def log_due(self) -> None:
        """Log the kinds whose period has passed."""
        now = self._clock()
        for kind in list(self._unlogged):
            self._log_if_due(kind, now)

    def _log_if_due(self, kind: str, now: float) -> None:
        logged_at = self._logged_at.get(kind)
        if logged_at is not None and now - logged_at < PERIOD_SECONDS:
            return
        self._logged_at[kind] = now
        count, address = self._unlogged.pop(kind), self._last_address[kind]
        _log.warning("connections_closed", why=kind, count=count, address=address)
