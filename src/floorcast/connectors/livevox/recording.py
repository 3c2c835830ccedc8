"""Implements ``--record``: writes received data, one JSON object per line, for a bug report."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Raw

from floorcast.connectors.recording_file import RecordingFile

__all__ = ["LivevoxRecording"]


class LivevoxRecording(RecordingFile):
    """Writes received data to ``path``, or nothing if ``path`` is None.

    The data does not contain the password.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__(path, b"\n")

    def write_event(self, feed: str, raw: bytes, received: float) -> None:
        """Write an event of a feed as received."""
        self._write({"read": feed, "received": received, "event": Raw(raw)})

    def write_rows(self, name: str, rows: object, received: float) -> None:
        """Write the rows of a response."""
        self._write({"read": name, "received": received, "rows": rows})

    def _write(self, line: dict[str, object]) -> None:
        self.write(msgspec.json.encode(line).replace(b"\n", b" ") + b"\n")
