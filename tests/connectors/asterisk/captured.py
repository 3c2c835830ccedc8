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
from floorcast.connectors.asterisk.queue_log_lines import read_line, sign_of
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
    return tuple((FOLDER / f"queue_log-{version}.txt").read_text("utf-8").splitlines())


def items(version: str, sources: str) -> list[AsteriskItem]:
    """Return the input in order of time. Each line follows AMI's frames of the same second."""
    found: list[tuple[float, PbxEventSource, PbxEvent]] = []
    if sources != "log":
        events = AmiEventConverter()
        signs = (events.sign(frame, 0.0) for frame in frames(version))
        found += [(sign.at, PbxEventSource.AMI, sign) for sign in signs if sign]
    if sources != "ami":
        read = (sign_of(read_line(line)) for line in lines(version))
        late = 1.5 if sources == "both" else 0.0
        found += [(sign.at + late, PbxEventSource.QUEUE_LOG, sign) for sign in read if sign]
    found.sort(key=lambda one: one[0])
    return [AsteriskItem(channel, sign) for _, channel, sign in found]


def as_json(events: list[CloudEvent]) -> list[dict[str, Any]]:
    """Return events as the server reads them."""
    found: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(events))
    return found
