"""Converts an ESL recording to events. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date

from floorcast.connectors.freeswitch.dialect import on_day
from floorcast.connectors.freeswitch.events import EslEventConverter, time_of
from floorcast.connectors.freeswitch.frames import EslFrame, EslFrameReader
from floorcast.connectors.freeswitch.lists import Row, rows_of
from floorcast.connectors.freeswitch.queries import AGENTS, TIERS
from floorcast.connectors.freeswitch.recording import COMMAND, TIME
from floorcast.connectors.freeswitch.snapshot import FreeswitchSnapshot, roster_of
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.converted_recording import READ_BYTES, ConvertedRecording, events_of
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import PbxEvent
from floorcast.connectors.pbx.state import PbxState
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.errors import Unavailable

__all__ = ["read_esl"]


def read_esl(
    read: Callable[[int], bytes], source: str, day: date | None = None
) -> ConvertedRecording:
    """Return the events of a recording.

    ``read`` returns up to the given number of bytes. If ``day`` is given, the calls get other ids,
    because the recording will be moved to that day.
    """
    config = MappingConfig(source=source)
    state = PbxState()
    recording = _Recording(config, state)
    mapping = PbxEventMapper(config, on_day(day), state, hangups=True)
    events = events_of(mapping, recording.signs(read))
    return ConvertedRecording(events=events, unreadable=recording.unreadable)


class _Recording:
    def __init__(self, config: MappingConfig, state: PbxState) -> None:
        self._config = config
        self._state = state
        self._events = EslEventConverter(config)
        self._lists: dict[str, list[Row]] = {}
        self._last = 0.0
        self.unreadable = 0

    def signs(self, read: Callable[[int], bytes]) -> Iterator[PbxEvent]:
        """Yield the signs of the frames, in order."""
        frames = EslFrameReader()
        for data in iter(lambda: read(READ_BYTES), b""):
            for frame in frames.feed(data):
                try:
                    sign = self._sign(frame)
                except (Unreadable, Unavailable):
                    self.unreadable += 1
                    continue
                if sign is not None and sign.at:  # 0 before the first known time
                    yield sign

    def _sign(self, frame: EslFrame | Unreadable) -> PbxEvent | None:
        if isinstance(frame, Unreadable):
            raise frame
        if frame.kind == "text/event-json":
            event = self._events.decode(frame.body)
            self._last = time_of(event, self._last)
            return self._events.sign(event, frame.body, self._last)
        command = frame.headers.get(COMMAND, "")
        with suppress(ValueError):
            self._last = float(frame.headers.get(TIME, ""))
        if command in {AGENTS, TIERS}:
            self._lists[command] = rows_of(frame.body.decode("utf-8", "replace"), command)
        return self._roster() if command == TIERS else None

    def _roster(self) -> PbxEvent:
        lists = self._lists
        snapshot = FreeswitchSnapshot(
            at=self._last,
            last_at=self._last,
            agents=lists.get(AGENTS, []),
            tiers=lists.get(TIERS, []),
        )
        return roster_of(snapshot, self._state, self._config)
