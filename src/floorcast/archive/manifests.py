"""Manifests, which list the files of an hour or the hours of a day.

An hour's manifest is written after the hour's files. Without a manifest, an hour does not count as
archived.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from hashlib import sha256

import msgspec
from msgspec import Struct, field

from floorcast.archive.hours import HOUR_MS
from floorcast.floor.days import Calendar
from floorcast.model.errors import FloorcastError
from floorcast.model.undecodable import UNDECODABLE

__all__ = [
    "DAY_MANIFEST",
    "HOUR_MANIFEST",
    "ArchiveFile",
    "DamagedManifest",
    "DayManifest",
    "Erasure",
    "HourManifest",
    "ReplacedFiles",
    "describe_file",
    "encode_manifest",
    "late_hours",
    "read_day",
    "read_hour",
]

HOUR_MANIFEST = "manifest.json"
DAY_MANIFEST = "manifest.json"


class DamagedManifest(FloorcastError):
    """A manifest cannot be read."""


class ArchiveFile(Struct):
    """A file: its number of rows, its size in bytes, and its SHA-256."""

    rows: int
    bytes: int
    sha256: str


class ReplacedFiles(Struct):
    """The SHA-256 of each file that a correction replaced, by file name."""

    revision: int
    files: dict[str, str]


class Erasure(Struct):
    """The time (ISO 8601) at which a person was removed, and the changed rows of each file."""

    time: str
    rows: dict[str, int]


class HourManifest(Struct, rename="camel", kw_only=True):
    """The manifest of an hour. ``start``, ``end`` and ``cut`` are in ms.

    The hour includes events recorded before ``cut``. ``revision`` is 1, or 2 after the correction
    for late events. ``late`` counts the hour's events that belong to earlier hours, by
    ``date/hour``. ``writer`` is the software that wrote the files. Other versions may write the
    same rows as different bytes.
    """

    client: int
    date: str
    hour: int
    start: int
    end: int
    time_zone: str
    revision: int
    cut: int
    first_token: str | None
    last_token: str | None
    personal: str
    writer: str
    files: dict[str, ArchiveFile]
    late: dict[str, int] = field(default_factory=dict)
    replaces: ReplacedFiles | None = None
    erased: list[Erasure] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the hour, such as ``2026-11-26/14``."""
        return f"{self.date}/{self.hour:02d}"

    @property
    def path(self) -> str:
        """The folder of the hour in the archive."""
        return f"client={self.client}/date={self.date}/hour={self.hour:02d}"


class DayManifest(Struct, rename="camel", kw_only=True, omit_defaults=True):
    """The manifest of a finished day.

    The day is complete if no hour is missing. Hours before the client's first event, by the event's
    own time, do not count as missing. ``other_zones`` has the time zones of the hours that were
    sealed before the client's time zone was changed.
    """

    client: int
    date: str
    time_zone: str
    complete: bool
    hours: list[int]
    missing: list[int]
    other_zones: list[str] = field(default_factory=list)


_hour_decoder = msgspec.json.Decoder(HourManifest)
_day_decoder = msgspec.json.Decoder(DayManifest)


def describe_file(content: bytes, rows: int) -> ArchiveFile:
    """Return the description of a file for a manifest."""
    return ArchiveFile(rows, len(content), sha256(content).hexdigest())


def late_hours(manifest: HourManifest) -> Iterator[int]:
    """Yield the start (ms) of each earlier hour for which the hour has late events."""
    if not manifest.late:
        return
    calendar = Calendar(manifest.time_zone)
    for name in manifest.late:
        day, number = name.split("/")
        midnight = calendar.bounds(date.fromisoformat(day).toordinal())[0]
        yield midnight + int(number) * HOUR_MS


def encode_manifest(manifest: HourManifest | DayManifest) -> bytes:
    """Return a manifest as the content of a file."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def read_hour(content: bytes, path: str) -> HourManifest:
    """Decode an hour's manifest. Raises DamagedManifest."""
    try:
        return _hour_decoder.decode(content)
    except UNDECODABLE as error:
        raise DamagedManifest(f"{path}/{HOUR_MANIFEST} cannot be read: {error}") from error


def read_day(content: bytes, path: str) -> DayManifest:
    """Decode a day's manifest. Raises DamagedManifest."""
    try:
        return _day_decoder.decode(content)
    except UNDECODABLE as error:
        raise DamagedManifest(f"{path}/{DAY_MANIFEST} cannot be read: {error}") from error
