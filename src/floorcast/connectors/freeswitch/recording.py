"""Implements ``--record``, which writes received data for a replay or a bug report."""

from __future__ import annotations

from floorcast.connectors.freeswitch.frames import EslFrame
from floorcast.connectors.recording_file import RecordingFile

__all__ = ["COMMAND_HEADER", "TIME_HEADER", "FreeswitchRecording"]

# Headers that only recordings have.
COMMAND_HEADER, TIME_HEADER = "Command", "Time"


class FreeswitchRecording(RecordingFile):
    """Writes received events and lists to ``path``.

    Data sent to FreeSWITCH, such as the password, is not recorded.
    """

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
