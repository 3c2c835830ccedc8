"""Two captures of a real Asterisk, for reading through AMI, the queue log, or both."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from floorcast.client import CloudEvent
from floorcast.connectors.asterisk.ami_events import AmiEvents
from floorcast.connectors.asterisk.frames import Frame, FrameReader
from floorcast.connectors.asterisk.merging import SignSource
from floorcast.connectors.asterisk.queue_log_lines import read_line, sign_of
from floorcast.connectors.asterisk.reading import Item
from floorcast.connectors.pbx.signs import Sign

__all__ = ["SOURCES", "VERSIONS", "as_json", "frames", "items", "lines"]

FOLDER = Path(__file__).parent / "captures"
VERSIONS = ("22.10.1", "16.28")
SOURCES = ("ami", "log", "both")


@cache
def frames(version: str) -> tuple[Frame, ...]:
    """AMI's frames."""
    with gzip.open(FOLDER / f"ami-{version}.txt.gz") as file:
        found = tuple(FrameReader().feed(file.read() + b"\n\n"))
    return tuple(one for one in found if isinstance(one, dict))


@cache
def lines(version: str) -> tuple[str, ...]:
    """Return the lines of the queue log."""
    return tuple((FOLDER / f"queue_log-{version}.txt").read_text("utf-8").splitlines())


def items(version: str, sources: str) -> list[Item]:
    """Return the input in order of time. Each line follows AMI's frames of the same second."""
    found: list[tuple[float, SignSource, Sign]] = []
    if sources != "log":
        events = AmiEvents()
        signs = (events.sign(frame, 0.0) for frame in frames(version))
        found += [(sign.at, SignSource.AMI, sign) for sign in signs if sign]
    if sources != "ami":
        read = (sign_of(read_line(line)) for line in lines(version))
        late = 1.5 if sources == "both" else 0.0
        found += [(sign.at + late, SignSource.QUEUE_LOG, sign) for sign in read if sign]
    found.sort(key=lambda one: one[0])
    return [Item(channel, sign) for _, channel, sign in found]


def as_json(events: list[CloudEvent]) -> list[dict[str, Any]]:
    """Return events as the server reads them."""
    found: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(events))
    return found
