"""Converts items received from both sources to changes for the spool. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import structlog

from floorcast.connectors.asterisk.dialect import ASTERISK
from floorcast.connectors.asterisk.merging import PbxEventMerger, PbxEventSource
from floorcast.connectors.asterisk.snapshot import AsteriskSnapshot, missed_signs
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import PbxEvent, QueueLeft
from floorcast.connectors.pbx.spool_steps import SpoolStepBuilder, restored
from floorcast.connectors.pbx.spool_writer import SpoolStep

__all__ = ["AsteriskItem", "AsteriskProcessor"]

LOG_POSITION, STARTED = "queue_log", "ami_started"

_log = structlog.get_logger("floorcast.connect")


class AsteriskItem(NamedTuple):
    """A received item: a sign, a snapshot, or only a position (``what`` is None)."""

    origin: PbxEventSource
    what: PbxEvent | AsteriskSnapshot | None
    position: str = ""


class AsteriskProcessor:
    """Applies the items received from one Asterisk server.

    Its complete state is in the rows that ``step`` returns.
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
        self._state = restored(rows, position)
        self._mapping = PbxEventMapper(
            config, ASTERISK, self._state, hangups=has_ami, whole_seconds=not has_ami
        )
        self._kept = SpoolStepBuilder(self._mapping, self._state)
        self._merger = PbxEventMerger()
        self._started = position.get(STARTED, "")
        self._said: set[str] = set()

    @property
    def last_at(self) -> float:
        """The time of the last sign, by Asterisk's clock."""
        return self._state.last_at

    def take(self, item: AsteriskItem) -> None:
        """Apply a received item."""
        match item.what:
            case None:
                pass
            case AsteriskSnapshot():
                self._compare(item.what)
            case _:
                self._sign(item.origin, item.what)
        if item.position:
            self._kept.move(LOG_POSITION, item.position)

    def advance(self, now: float) -> None:
        """Apply the passage of time up to ``now``, by Asterisk's clock."""
        self._kept.advance(now)

    def step(self) -> SpoolStep:
        """Return the changes since the last step."""
        for interface in sorted(self._mapping.unknown_interfaces() - self._said):
            self._said.add(interface)
            _log.warning(
                "the queue log names an interface without a known agent; the line was skipped",
                interface=interface,
                help="name its agent under [asterisk.agents]",
            )
        return self._kept.step()

    def _sign(self, origin: PbxEventSource, sign: PbxEvent) -> None:
        if self._merger.is_new(origin, sign):
            self._kept.apply(sign)
        elif isinstance(sign, QueueLeft):
            self._mapping.know_reason(sign.caller, sign.reason)

    def _compare(self, snapshot: AsteriskSnapshot) -> None:
        self._mapping.see_channels(
            (one.get("Uniqueid", ""), one.get("Channel", ""), one.get("BridgeId", ""))
            for one in snapshot.channels
        )
        for sign in missed_signs(snapshot, self._state, self._config, self._started):
            self._kept.apply(sign)
        self._started = snapshot.started
        self._kept.move(STARTED, snapshot.started)
