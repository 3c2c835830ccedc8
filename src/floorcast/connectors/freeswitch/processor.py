"""Converts PBX events and snapshots of FreeSWITCH to changes for the spool. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from floorcast.connectors.freeswitch.dialect import FREESWITCH
from floorcast.connectors.freeswitch.snapshot import FreeswitchSnapshot, missed_events
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import ChannelHungUp, PbxEvent, PbxRestarted
from floorcast.connectors.pbx.processor import PbxProcessor, restore_state
from floorcast.connectors.pbx.spool_writer import SpoolStep

__all__ = ["CoreUuid", "FreeswitchItem", "FreeswitchProcessor"]

CORE_POSITION = "core_uuid"
MAX_ENDED_SESSIONS = 10_000  # ended sessions that are remembered while a snapshot is in progress


class CoreUuid(NamedTuple):
    """The Core-UUID, which changes each time FreeSWITCH starts."""

    uuid: str


FreeswitchItem = PbxEvent | FreeswitchSnapshot | CoreUuid


class FreeswitchProcessor:
    """Applies the items received from one FreeSWITCH server.

    Its complete state is in the rows that ``take_step`` returns.
    """

    def __init__(
        self,
        config: MappingConfig,
        rows: list[tuple[str, str, bytes]],
        position: Mapping[str, str],
    ) -> None:
        self._config = config
        self._state = restore_state(rows, position)
        mapper = PbxEventMapper(config, FREESWITCH, self._state, reports_hangups=True)
        self._pbx = PbxProcessor(mapper, self._state)
        self._core = position.get(CORE_POSITION, "")
        self._ended_sessions: dict[str, None] = {}

    @property
    def last_at(self) -> float:
        """The time of the last PBX event, by FreeSWITCH's clock."""
        return self._state.last_at

    @property
    def callers(self) -> list[str]:
        """The session UUIDs of all known calls."""
        return list(self._state.calls)

    def apply(self, item: FreeswitchItem) -> None:
        """Apply a received item."""
        match item:
            case CoreUuid():
                self._set_core(item.uuid)
            case FreeswitchSnapshot():
                for pbx_event in missed_events(
                    item, self._state, self._config, self._ended_sessions
                ):
                    self._pbx.apply(pbx_event)
                self._ended_sessions.clear()
            case _:
                if isinstance(item, ChannelHungUp):
                    self._ended_sessions[item.channel] = None
                    if len(self._ended_sessions) > MAX_ENDED_SESSIONS:
                        del self._ended_sessions[next(iter(self._ended_sessions))]
                self._pbx.apply(item)

    def advance(self, now: float) -> None:
        """Apply the passage of time up to ``now``, by FreeSWITCH's clock."""
        self._pbx.advance(now)

    def take_step(self) -> SpoolStep:
        """Return the changes since the last step."""
        return self._pbx.take_step()

    def _set_core(self, core: str) -> None:
        if self._core and core != self._core:
            self._pbx.apply(PbxRestarted(at=self._state.last_at))
        if core != self._core:
            self._core = core
            self._pbx.set_position(CORE_POSITION, core)
