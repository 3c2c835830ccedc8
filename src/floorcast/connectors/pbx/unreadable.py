"""Unreadable messages of a PBX: counts them and logs each kind once."""

from __future__ import annotations

import structlog

from floorcast.connectors.health import Health

__all__ = ["Complaints", "Unreadable"]

MAX_SHOWN = 100  # kinds; the others are only counted
KIND_CHARACTERS = 40  # of a text, by which its kind is known

_log = structlog.get_logger("floorcast.connect")


class Unreadable(ValueError):
    """A line, or a frame, that is not what the PBX writes."""


class Complaints:
    """Counts what cannot be read, and warns of each kind once."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._shown: set[str] = set()

    def unreadable(self, error: Unreadable) -> None:
        """Count a line or a frame that cannot be read."""
        self._health.unreadable()
        self.warn_once(f"cannot be read: {error}", kind=str(error)[:KIND_CHARACTERS])

    def warn_once(self, text: str, kind: str = "") -> None:
        """Warn, unless this was said before."""
        if (kind or text) not in self._shown and len(self._shown) < MAX_SHOWN:
            self._shown.add(kind or text)
            _log.warning(text)
