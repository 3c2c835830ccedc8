"""Manifests: what an hour of the archive consists of, and which hours a day has.

An hour that has no manifest is not in the archive: its manifest is written last.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec
from msgspec import Struct, field

from floorcast.model.errors import FloorcastError

__all__ = [
    "DAY_MANIFEST",
    "HOUR_MANIFEST",
    "ArchiveFile",
    "DamagedManifest",
    "DayManifest",
    "Erasure",
    "HourManifest",
    "Replaced",
    "described",
    "encode_manifest",
    "read_day",
    "read_hour",
]

HOUR_MANIFEST = "manifest.json"
DAY_MANIFEST = "manifest.json"


class DamagedManifest(FloorcastError):
    """A manifest that cannot be read."""


class ArchiveFile(Struct):
    """A file: its number of rows, its size in bytes, and its SHA-256."""

    rows: int
    bytes: int
    sha256: str


class Replaced(Struct):
    """The files that a correction replaced, by name: the SHA-256 that each had."""

    revision: int
    files: dict[str, str]


class Erasure(Struct):
    """A person was removed: when (ISO 8601), and how many rows of which files were changed."""

    time: str
    rows: dict[str, int]


class HourManifest(Struct, rename="camel", kw_only=True):
    """An hour. ``start``, ``end`` and ``cut`` are in ms: what was recorded before ``cut`` counts.

    ``revision`` is 1, or 2 once late events were looked for. ``late`` counts the hour's events that
    belong to earlier hours, by ``date/hour``. ``writer`` made the files: its other versions may
    make other bytes of the same rows.
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
    replaces: Replaced | None = None
    erased: list[Erasure] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The hour's name: ``2026-11-26/14``."""
        return f"{self.date}/{self.hour:02d}"

    @property
    def path(self) -> str:
        """The hour's folder in the archive."""
        return f"client={self.client}/date={self.date}/hour={self.hour:02d}"


class DayManifest(Struct, rename="camel", kw_only=True):
    """A day whose last hour is over.

    It is complete if no hour of it is missing. Hours before the client's first event are none.
    """

    client: int
    date: str
    time_zone: str
    complete: bool
    hours: list[int]
    missing: list[int]


_hours = msgspec.json.Decoder(HourManifest)
_days = msgspec.json.Decoder(DayManifest)


def described(content: bytes, rows: int) -> ArchiveFile:
    """What a manifest says of a file."""
    return ArchiveFile(rows, len(content), sha256(content).hexdigest())


def encode_manifest(manifest: HourManifest | DayManifest) -> bytes:
    """A manifest as a file."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def read_hour(content: bytes, path: str) -> HourManifest:
    """An hour's manifest. Raises DamagedManifest."""
    try:
        return _hours.decode(content)
    except msgspec.MsgspecError as error:
        raise DamagedManifest(f"{path}/{HOUR_MANIFEST} cannot be read: {error}") from error


def read_day(content: bytes, path: str) -> DayManifest:
    """A day's manifest. Raises DamagedManifest."""
    try:
        return _days.decode(content)
    except msgspec.MsgspecError as error:
        raise DamagedManifest(f"{path}/{DAY_MANIFEST} cannot be read: {error}") from error
