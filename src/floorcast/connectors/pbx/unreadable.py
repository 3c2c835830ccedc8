"""Counts unreadable messages from a PBX and logs each kind once."""

from __future__ import annotations

import structlog

from floorcast.connectors.metrics import ConnectorMetrics

__all__ = ["ConnectorWarnings", "Unreadable"]

MAX_LOGGED_KINDS = 100  # further kinds are only counted
KIND_CHARACTERS = 40  # the beginning of a message, which identifies its kind

_log = structlog.get_logger("floorcast.connect")


class Unreadable(ValueError):
    """A line, frame or event cannot be read."""


class ConnectorWarnings:
    """Counts unreadable messages and warns about each kind once."""

    def __init__(self, metrics: ConnectorMetrics) -> None:
        self._metrics = metrics
        self._logged_kinds: set[str] = set()

    def count_unreadable(self, error: Unreadable) -> None:
        """Count a line or frame that cannot be read, and log the first of each kind."""
        self._metrics.count_unreadable()
        self.warn_once(f"cannot be read: {error}", kind=str(error)[:KIND_CHARACTERS])

    def warn_once(self, text: str, kind: str = "") -> None:
        """Log a warning unless one of the same kind was logged before."""
        if (kind or text) not in self._logged_kinds and len(self._logged_kinds) < MAX_LOGGED_KINDS:
            self._logged_kinds.add(kind or text)
            _log.warning(text)
