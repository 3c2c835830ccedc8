"""Keeps the complete state of a mapping in rows for the spool. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from floorcast.client import CloudEvent
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import PbxEvent
from floorcast.connectors.pbx.spool_writer import SpoolStep
from floorcast.connectors.pbx.state import PbxState

__all__ = ["SpoolStepBuilder", "restored"]

LAST_AT = "last_at"


def restored(rows: Iterable[tuple[str, str, bytes]], position: Mapping[str, str]) -> PbxState:
    """Return the state described by a spool's rows and position."""
    state = PbxState()
    for kind, name, row in rows:
        state.restore(kind, name, row)
    state.last_at = float(position.get(LAST_AT, "0"))
    return state


class SpoolStepBuilder:
    """Collects the data to store: events, changed rows and changed positions."""

    def __init__(self, mapping: PbxEventMapper, state: PbxState) -> None:
        self._mapping = mapping
        self._state = state
        self._events: list[CloudEvent] = []
        self._position: dict[str, str] = {}

    def apply(self, sign: PbxEvent) -> None:
        """Apply a sign."""
        self._events += self._mapping.apply(sign)

    def advance(self, now: float) -> None:
        """Apply the passage of time up to ``now``, by the PBX's clock."""
        self._events += self._mapping.advance(now)

    def move(self, name: str, position: str) -> None:
        """Record the position to continue reading from."""
        self._position[name] = position

    def step(self) -> SpoolStep:
        """Return the changes since the last step."""
        events, self._events = self._events, []
        rows = self._state.changed()
        if events or rows:
            self._position[LAST_AT] = repr(self._state.last_at)
        position, self._position = self._position, {}
        return SpoolStep(events, rows, position)
