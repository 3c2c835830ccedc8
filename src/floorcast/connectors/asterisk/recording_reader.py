"""Converts a queue log or an AMI recording to events. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf

from floorcast.connectors.asterisk.ami_events import AmiEventConverter
from floorcast.connectors.asterisk.dialect import ASTERISK
from floorcast.connectors.asterisk.frames import AmiFrameReader
from floorcast.connectors.asterisk.queue_log_lines import parse_line, to_pbx_event
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

__all__ = ["read_ami", "read_queue_log"]


def read_queue_log(lines: Iterable[str], source: str, latest: float = inf) -> ConvertedRecording:
    """Return the events of a queue log. ``source`` names the Asterisk server in ids.

    Lines with a time after ``latest`` (epoch seconds) are skipped.
    Each line ends with a line break. A line without one was cut and counts as unreadable, because
    its last field may be incomplete.
    """
    unreadable = 0

    def pbx_events() -> Iterator[PbxEvent]:
        nonlocal unreadable
        for line in lines:
            try:
                event = to_pbx_event(parse_line(line))
            except Unreadable:
                event, is_readable = None, not line.strip()
            else:
                is_readable = line.endswith("\n")
            unreadable += not is_readable
            if event is not None and is_readable:
                yield event

    mapper = PbxEventMapper(
        MappingConfig(source=source),
        ASTERISK,
        PbxState(),
        reports_hangups=False,
        whole_seconds=True,
    )
    found = map_events(mapper, pbx_events(), latest)
    found.unreadable += unreadable
    return found


def read_ami(read: Callable[[int], bytes], source: str, latest: float = inf) -> ConvertedRecording:
    """Return the events of an AMI recording. ``read`` returns up to the given number of bytes.

    Frames with a time after ``latest`` (epoch seconds) are skipped.
    """
    unreadable = 0
    events = AmiEventConverter(replies=True)

    def pbx_events() -> Iterator[PbxEvent]:
        nonlocal unreadable
        last = 0.0
        for frame in read_frames(read, AmiFrameReader()):
            try:
                if isinstance(frame, Unreadable):
                    raise frame
                event = events.convert(frame, last)
            except Unreadable:
                unreadable += 1
                continue
            if event is not None and event.at:  # 0 before the first known time
                last = event.at
                yield event

    mapper = PbxEventMapper(
        MappingConfig(source=source), ASTERISK, PbxState(), reports_hangups=True
    )
    found = map_events(mapper, pbx_events(), latest)
    found.unreadable += unreadable
    return found
