"""Implements ``--record``, which writes received data for a replay or a bug report."""

from __future__ import annotations

from pathlib import Path

from floorcast.connectors.freeswitch.frames import RUN_MARK, EslFrame
from floorcast.connectors.recording_file import RecordingFile

__all__ = ["COMMAND_HEADER", "TIME_HEADER", "FreeswitchRecording"]

# Headers that only recordings have.
COMMAND_HEADER, TIME_HEADER = "Command", "Time"


class FreeswitchRecording(RecordingFile):
    """Writes received events and lists to ``path``.

    Data sent to FreeSWITCH, such as the password, is not recorded. Each run begins with
    ``RUN_MARK``, because the run before it may have been killed within a frame.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__(path)
        if path is not None and path.stat().st_size:
            self.write(RUN_MARK)

    def write_frame(self, frame: EslFrame) -> None:
        """Write an event."""
        self.write(frame.encoded())

    def write_reply(self, command: str, reply: str, at: float) -> None:
        """Write the reply to a command. ``at`` is the command's time, by FreeSWITCH's clock."""
        body = reply.encode("utf-8", "replace")
        headers = {
            "Content-Type": "api/response",
            COMMAND_HEADER: command,
            TIME_HEADER: f"{at:.6f}",
            "Content-Length": str(len(body)),
        }
        self.write_frame(EslFrame(headers, body))
