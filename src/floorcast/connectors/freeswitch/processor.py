"""Converts signs and snapshots of FreeSWITCH to changes for the spool. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from floorcast.connectors.freeswitch.dialect import FREESWITCH
from floorcast.connectors.freeswitch.snapshot import FreeswitchSnapshot, missed_signs
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import ChannelHungUp, PbxEvent, PbxRestarted
from floorcast.connectors.pbx.spool_steps import SpoolStepBuilder, restored
from floorcast.connectors.pbx.spool_writer import SpoolStep

__all__ = ["CoreUuid", "FreeswitchItem", "FreeswitchProcessor"]

CORE = "core_uuid"
MAX_GONE = 10_000  # ended sessions that are remembered while a snapshot is in progress


class CoreUuid(NamedTuple):
    """The Core-UUID, which changes each time FreeSWITCH starts."""

    uuid: str


FreeswitchItem = PbxEvent | FreeswitchSnapshot | CoreUuid


class FreeswitchProcessor:
    """Applies the items received from one FreeSWITCH server.

    Its complete state is in the rows that ``step`` returns.
    """

    def __init__(
        self,
        config: MappingConfig,
        rows: list[tuple[str, str, bytes]],
        position: Mapping[str, str],
    ) -> None:
        self._config = config
        self._state = restored(rows, position)
        mapping = PbxEventMapper(config, FREESWITCH, self._state, hangups=True)
        self._kept = SpoolStepBuilder(mapping, self._state)
        self._core = position.get(CORE, "")
        self._gone: dict[str, None] = {}

    @property
    def last_at(self) -> float:
        """The time of the last sign, by FreeSWITCH's clock."""
        return self._state.last_at

    @property
    def callers(self) -> list[str]:
        """The session UUIDs of all known calls."""
        return list(self._state.calls)

    def take(self, item: FreeswitchItem) -> None:
        """Apply a received item."""
        match item:
            case CoreUuid():
                self._begin(item.uuid)
            case FreeswitchSnapshot():
                for sign in missed_signs(item, self._state, self._config, self._gone):
                    self._kept.apply(sign)
                self._gone.clear()
            case _:
                if isinstance(item, ChannelHungUp):
                    self._gone[item.channel] = None
                    if len(self._gone) > MAX_GONE:
                        del self._gone[next(iter(self._gone))]
                self._kept.apply(item)

    def advance(self, now: float) -> None:
        """Apply the passage of time up to ``now``, by FreeSWITCH's clock."""
        self._kept.advance(now)

    def step(self) -> SpoolStep:
        """Return the changes since the last step."""
        return self._kept.step()

    def _begin(self, core: str) -> None:
        if self._core and core != self._core:
            self._kept.apply(PbxRestarted(at=self._state.last_at))
        if core != self._core:
            self._core = core
            self._kept.move(CORE, core)
