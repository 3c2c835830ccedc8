"""Implements ``--record``, which writes received data for a replay or a bug report."""

from __future__ import annotations

from pathlib import Path

from floorcast.connectors.asterisk.frames import AmiFrame
from floorcast.connectors.recording_file import RecordingFile

__all__ = ["AsteriskRecording"]


class AsteriskRecording(RecordingFile):
    """Writes AMI frames to ``path`` and queue log lines to ``path.queue_log``.

    A frame without a Timestamp gets the time of its arrival, so that it can be replayed. Data sent
    to Asterisk, such as the secret, is not recorded.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__(path, b"\n\n")
        self._recorded = path is not None
        lines = path.with_name(f"{path.name}.queue_log") if path else None
        self._lines = RecordingFile(lines, b"\n")

    def write_frame(self, frame: AmiFrame, received: float) -> None:
        """Write a frame."""
        if not self._recorded:
            return
        known = {} if "Timestamp" in frame else {"Timestamp": f"{received:.6f}"}
        written = []
        for name, value in {**frame, **known}.items():
            kind, colon, variable = name.partition(":")
            written.append(f"{kind}: {variable}={value}\n" if colon else f"{name}: {value}\n")
        self.write(("".join(written) + "\n").encode())

    def write_line(self, line: str) -> None:
        """Write a line of the queue log."""
        self._lines.write(f"{line}\n".encode())

    def close(self) -> None:
        """Close both files."""
        self._lines.close()
        super().close()
