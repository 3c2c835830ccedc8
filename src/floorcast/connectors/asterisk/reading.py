"""What was read, on its way into the spool: signs of both channels, in one order. No I/O."""

from __future__ import annotations

from collections.abc import Mapping as Rows
from typing import NamedTuple

import structlog

from floorcast.client import CloudEvent
from floorcast.connectors.asterisk.channels import Channel, TwoChannels
from floorcast.connectors.asterisk.snapshot import Snapshot, missed_signs
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.mapping import Mapping
from floorcast.connectors.pbx.signs import Left, Sign
from floorcast.connectors.pbx.state import State

__all__ = ["Item", "Reading", "Step"]

LOG_POSITION, STARTED = "queue_log", "ami_started"

_log = structlog.get_logger("floorcast.connect")


class Item(NamedTuple):
    """Something that was read: a sign, a snapshot, or (``what`` is None) only a position."""

    channel: Channel
    what: Sign | Snapshot | None
    position: str = ""


class Step(NamedTuple):
    """What is to be kept in one transaction."""

    events: list[CloudEvent]
    rows: Rows[tuple[str, str], object]
    position: Rows[str, str]


class Reading:
    """One Asterisk as it is read; everything that it knows is in the rows that it gives."""

    def __init__(
        self,
        config: MappingConfig,
        rows: list[tuple[str, str, bytes]],
        position: Rows[str, str],
        *,
        has_ami: bool,
    ) -> None:
        self._config = config
        self._state = State()
        for kind, name, row in rows:
            self._state.restore(kind, name, row)
        self._state.last_at = float(position.get("last_at", "0"))
        self._mapping = Mapping(config, self._state, hangups=has_ami, whole_seconds=not has_ami)
        self._channels = TwoChannels()
        self._position: dict[str, str] = {}
        self._started = position.get(STARTED, "")
        self._events: list[CloudEvent] = []
        self._said: set[str] = set()

    @property
    def last_at(self) -> float:
        """The time of the last sign, by Asterisk's clock."""
        return self._state.last_at

    def take(self, item: Item) -> None:
        """Apply what was read."""
        match item.what:
            case None:
                pass
            case Snapshot():
                self._compare(item.what)
            case _:
                self._sign(item.channel, item.what)
        if item.position:
            self._position[LOG_POSITION] = item.position

    def advance(self, now: float) -> None:
        """Apply the time; ``now`` is by Asterisk's clock."""
        self._events += self._mapping.advance(now)

    def step(self) -> Step:
        """What followed since the last step."""
        events, self._events = self._events, []
        rows = self._state.changed()
        if events or rows:
            self._position["last_at"] = repr(self._state.last_at)
        position, self._position = self._position, {}
        for interface in sorted(self._mapping.unknown_interfaces() - self._said):
            self._said.add(interface)
            _log.warning(
                "the queue log names an interface that no agent is known by: left out",
                interface=interface,
                help="name its agent under [asterisk.agents]",
            )
        return Step(events, rows, position)

    def _sign(self, channel: Channel, sign: Sign) -> None:
        if self._channels.is_new(channel, sign):
            self._events += self._mapping.apply(sign)
        elif isinstance(sign, Left):
            self._mapping.know_reason(sign.caller, sign.reason)

    def _compare(self, snapshot: Snapshot) -> None:
        for sign in missed_signs(snapshot, self._state, self._config, self._started):
            self._events += self._mapping.apply(sign)
        self._started = self._position[STARTED] = snapshot.started
