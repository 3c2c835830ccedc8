"""Converts PBX events to the CloudEvents, rows and positions that the spool stores. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from floorcast.client import CloudEvent
from floorcast.connectors.pbx.event_check import check_event
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import PbxEvent
from floorcast.connectors.pbx.spool_writer import SpoolStep
from floorcast.connectors.pbx.state import PbxState
from floorcast.connectors.pbx.unreadable import Unreadable

__all__ = ["PbxProcessor", "restore_state"]

LAST_AT = "last_at"


def restore_state(rows: Iterable[tuple[str, str, bytes]], position: Mapping[str, str]) -> PbxState:
    """Return the state described by a spool's rows and position."""
    state = PbxState()
    for kind, name, row in rows:
        state.restore(kind, name, row)
    state.last_at = float(position.get(LAST_AT, "0"))
    return state


class PbxProcessor:
    """Applies PBX events to the mapping, and collects what to store.

    A step has the CloudEvents, the changed rows and positions, and what was skipped. The rows and
    positions are the mapping's complete state, which ``restore_state`` reads.
    """

    def __init__(self, mapper: PbxEventMapper, state: PbxState) -> None:
        self._mapper = mapper
        self._state = state
        self._events: list[CloudEvent] = []
        self._position: dict[str, str] = {}
        self._unreadable: list[Unreadable] = []

    def apply(self, event: PbxEvent) -> None:
        """Apply a PBX event, without the parts that the server would refuse."""
        checked = check_event(event, self._unreadable.append)
        if checked is not None:
            self._events += self._mapper.apply(checked)

    def advance(self, now: float) -> None:
        """Apply the passage of time up to ``now``, by the PBX's clock."""
        self._events += self._mapper.advance(now)

    def set_position(self, name: str, position: str) -> None:
        """Record the position to continue reading from."""
        self._position[name] = position

    def take_step(self) -> SpoolStep:
        """Return the changes since the last step."""
        events, self._events = self._events, []
        rows = self._state.take_changes()
        if events or rows:
            self._position[LAST_AT] = repr(self._state.last_at)
        position, self._position = self._position, {}
        unreadable, self._unreadable = self._unreadable + self._mapper.take_skipped(), []
        return SpoolStep(events, rows, position, unreadable)
