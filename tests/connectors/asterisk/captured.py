"""Two captures of a real Asterisk, for reading through AMI, the queue log, or both."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from floorcast.client import CloudEvent
from floorcast.connectors.asterisk.ami_events import AmiEventConverter
from floorcast.connectors.asterisk.frames import AmiFrame, AmiFrameReader
from floorcast.connectors.asterisk.merging import PbxEventSource
from floorcast.connectors.asterisk.processor import AsteriskItem
from floorcast.connectors.asterisk.queue_log_lines import parse_line, to_pbx_event
from floorcast.connectors.pbx.pbx_events import PbxEvent

__all__ = ["SOURCES", "VERSIONS", "as_json", "frames", "items", "lines"]

FOLDER = Path(__file__).parent / "captures"
VERSIONS = ("22.10.1", "16.28")
SOURCES = ("ami", "log", "both")


@cache
def frames(version: str) -> tuple[AmiFrame, ...]:
    """AMI's frames."""
    with gzip.open(FOLDER / f"ami-{version}.txt.gz") as file:
        found = tuple(AmiFrameReader().feed(file.read() + b"\n\n"))
    return tuple(one for one in found if isinstance(one, dict))


@cache
def lines(version: str) -> tuple[str, ...]:
    """Return the lines of the queue log."""
    return tuple((FOLDER / f"queue_log-{version}.txt").read_text("utf-8").splitlines(keepends=True))


def items(version: str, sources: str) -> list[AsteriskItem]:
    """Return the input in order of time. Each line follows AMI's frames of the same second."""
    found: list[tuple[float, PbxEventSource, PbxEvent]] = []
    if sources != "log":
        events = AmiEventConverter()
        pbx_events = (events.convert(frame, 0.0) for frame in frames(version))
        found += [
            (pbx_event.at, PbxEventSource.AMI, pbx_event) for pbx_event in pbx_events if pbx_event
        ]
    if sources != "ami":
        read = (to_pbx_event(parse_line(line)) for line in lines(version))
        late = 1.5 if sources == "both" else 0.0
        found += [
            (pbx_event.at + late, PbxEventSource.QUEUE_LOG, pbx_event)
            for pbx_event in read
            if pbx_event
        ]
    found.sort(key=lambda one: one[0])
    return [AsteriskItem(channel, pbx_event) for _, channel, pbx_event in found]


def as_json(events: list[CloudEvent]) -> list[dict[str, Any]]:
    """Return events as the server reads them."""
    found: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(events))
    return found
