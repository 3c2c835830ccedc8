"""Converts an ESL recording to events. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from math import inf

from floorcast.connectors.freeswitch.dialect import dialect_for_replay
from floorcast.connectors.freeswitch.events import EslEventConverter, event_time
from floorcast.connectors.freeswitch.frames import EslFrame, EslFrameReader
from floorcast.connectors.freeswitch.lists import Row, parse_list
from floorcast.connectors.freeswitch.queries import AGENTS, TIERS
from floorcast.connectors.freeswitch.recording import COMMAND_HEADER, TIME_HEADER
from floorcast.connectors.freeswitch.snapshot import FreeswitchSnapshot, member_list_of
from floorcast.connectors.pbx.config import MappingConfig
from floorcast.connectors.pbx.converted_recording import (
    ConvertedRecording,
    map_events,
    read_frames,
)
from floorcast.connectors.pbx.mapping import PbxEventMapper
from floorcast.connectors.pbx.pbx_events import PbxEvent
from floorcast.connectors.pbx.state import PbxState
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.errors import Unavailable

__all__ = ["read_esl"]


def read_esl(
    read: Callable[[int], bytes], source: str, day: date | None = None, latest: float = inf
) -> ConvertedRecording:
    """Return the events of a recording.

    ``read`` returns up to the given number of bytes. If ``day`` is given, the calls get other ids,
    because the recording will be moved to that day. Frames with a time after ``latest`` (epoch
    seconds) are skipped.
    """
    config = MappingConfig(source=source)
    state = PbxState()
    reader = _RecordingReader(config, state)
    mapper = PbxEventMapper(config, dialect_for_replay(day), state, reports_hangups=True)
    found = map_events(mapper, reader.pbx_events(read), latest)
    found.unreadable += reader.unreadable
    return found


class _RecordingReader:
    def __init__(self, config: MappingConfig, state: PbxState) -> None:
        self._config = config
        self._state = state
        self._converter = EslEventConverter(config)
        self._lists: dict[str, list[Row]] = {}
        self._last_at = 0.0
        self.unreadable = 0

    def pbx_events(self, read: Callable[[int], bytes]) -> Iterator[PbxEvent]:
        """Yield the PBX events of the frames, in order."""
        for frame in read_frames(read, EslFrameReader()):
            try:
                pbx_event = self._convert(frame)
            except (Unreadable, Unavailable):
                self.unreadable += 1
                continue
            if pbx_event is not None and pbx_event.at:  # 0 before the first known time
                yield pbx_event

    def _convert(self, frame: EslFrame | Unreadable) -> PbxEvent | None:
        if isinstance(frame, Unreadable):
            raise frame
        if frame.kind == "text/event-json":
            event = self._converter.decode(frame.body)
            self._last_at = event_time(event, self._last_at)
            return self._converter.convert(event, frame.body, self._last_at)
        command = frame.headers.get(COMMAND_HEADER, "")
        with suppress(ValueError):
            self._last_at = float(frame.headers.get(TIME_HEADER, ""))
        if command in {AGENTS, TIERS}:
            self._lists[command] = parse_list(frame.body.decode("utf-8", "replace"), command)
        return self._member_list() if command == TIERS else None

    def _member_list(self) -> PbxEvent:
        lists = self._lists
        snapshot = FreeswitchSnapshot(
            at=self._last_at,
            last_at=self._last_at,
            agents=lists.get(AGENTS, []),
            tiers=lists.get(TIERS, []),
        )
        return member_list_of(snapshot, self._state, self._config)
