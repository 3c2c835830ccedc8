"""Detects gaps and restarts in the sequence of events. No I/O."""

from __future__ import annotations

from enum import Enum

from floorcast.connectors.freeswitch.events import EslEvent

__all__ = ["EventSequence", "SequenceCheck"]


class SequenceCheck(Enum):
    """How an event follows the previous event."""

    IN_ORDER = "in order"
    AFTER_GAP = "after a gap"
    AFTER_RESTART = "after a restart"


class EventSequence:
    """Checks the sequence numbers of FreeSWITCH's events.

    The numbers begin again each time FreeSWITCH starts. FreeSWITCH numbers all of its events,
    including those without a subscriber. A gap therefore does not prove that an event was lost. It
    triggers a comparison, at a limited rate.
    """

    def __init__(self, core: str = "") -> None:
        self.core = core
        self._last = 0

    def check(self, event: EslEvent) -> SequenceCheck:
        """Return how this event follows the previous one."""
        text = event.sequence
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
        restarted = bool(event.core and self.core) and event.core != self.core
        self.core = event.core or self.core
        before, self._last = self._last, number or self._last
        if restarted:
            return SequenceCheck.AFTER_RESTART
        gap = bool(before and number) and number > before + 1
        return SequenceCheck.AFTER_GAP if gap else SequenceCheck.IN_ORDER
