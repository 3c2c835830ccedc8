"""Converts items received from both sources to changes for the spool. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import structlog

from floorcast.connectors.asterisk.dialect import ASTERISK
from floorcast.connectors.asterisk.merging import PbxEventMerger, PbxEventSource
from floorcast.connectors.asterisk.snapshot import AsteriskSnapshot, missed_events
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import PbxEvent, QueueLeft
from floorcast.connectors.pbx.processor import PbxProcessor, restore_state
from floorcast.connectors.pbx.spool_writer import SpoolStep

__all__ = ["AsteriskItem", "AsteriskProcessor"]

LOG_POSITION, STARTED_POSITION = "queue_log", "ami_started"

_log = structlog.get_logger("floorcast.connect")


class AsteriskItem(NamedTuple):
    """A received item: a PBX event, a snapshot, or only a position (``content`` is None)."""

    origin: PbxEventSource
    content: PbxEvent | AsteriskSnapshot | None
    position: str = ""


class AsteriskProcessor:
    """Applies the items received from one Asterisk server.

    Its complete state is in the rows that ``take_step`` returns.
    """

    def __init__(
        self,
        config: MappingConfig,
        rows: list[tuple[str, str, bytes]],
        position: Mapping[str, str],
        *,
        has_ami: bool,
    ) -> None:
        self._config = config
        self._state = restore_state(rows, position)
        self._mapper = PbxEventMapper(
            config, ASTERISK, self._state, reports_hangups=has_ami, whole_seconds=not has_ami
        )
        self._pbx = PbxProcessor(self._mapper, self._state)
        self._merger = PbxEventMerger()
        self._started = position.get(STARTED_POSITION, "")
        self._logged_interfaces: set[str] = set()

    @property
    def last_at(self) -> float:
        """The time of the last PBX event, by Asterisk's clock."""
        return self._state.last_at

    def apply(self, item: AsteriskItem) -> None:
        """Apply a received item."""
        match item.content:
            case None:
                pass
            case AsteriskSnapshot():
                self._compare(item.content)
            case _:
                self._apply_event(item.origin, item.content)
        if item.position:
            self._pbx.set_position(LOG_POSITION, item.position)

    def advance(self, now: float) -> None:
        """Apply the passage of time up to ``now``, by Asterisk's clock."""
        self._pbx.advance(now)

    def take_step(self) -> SpoolStep:
        """Return the changes since the last step."""
        for interface in sorted(self._mapper.unknown_interfaces() - self._logged_interfaces):
            self._logged_interfaces.add(interface)
            _log.warning(
                "the queue log names an interface without a known agent; the line was skipped",
                interface=interface,
                help="name its agent under [asterisk.agents]",
            )
        return self._pbx.take_step()

    def _apply_event(self, origin: PbxEventSource, event: PbxEvent) -> None:
        if self._merger.is_new(origin, event):
            self._pbx.apply(event)
        elif isinstance(event, QueueLeft):
            self._mapper.set_leave_reason(event.caller, event.reason)

    def _compare(self, snapshot: AsteriskSnapshot) -> None:
        self._mapper.replace_channels(
            (one.get("Uniqueid", ""), one.get("Channel", ""), one.get("BridgeId", ""))
            for one in snapshot.channels
        )
        for event in missed_events(snapshot, self._state, self._config, self._started):
            self._pbx.apply(event)
        self._started = snapshot.started
        self._pbx.set_position(STARTED_POSITION, snapshot.started)
