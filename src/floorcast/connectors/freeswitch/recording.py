"""``--record``: writes received data, to replay or to send with a bug report."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from floorcast.connectors.freeswitch.frames import Frame

__all__ = ["COMMAND", "TIME", "Recording"]

COMMAND, TIME = "Command", "Time"  # headers that only recordings have: the command and its time


class Recording:
    """Writes received frames to ``path``, and the requested lists.

    Data sent to FreeSWITCH, such as the password, is not recorded.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("ab") if path else None

    def frame(self, frame: Frame) -> None:
        """Write an event."""
        if self._file is not None:
            self._file.write(frame.encoded())
            self._file.flush()

    def reply(self, command: str, reply: str, at: float) -> None:
        """Write the reply to a command; ``at`` is the time by FreeSWITCH's clock."""
        body = reply.encode("utf-8", "replace")
        headers = {
            "Content-Type": "api/response",
            COMMAND: command,
            TIME: f"{at:.6f}",
            "Content-Length": str(len(body)),
        }
        self.frame(Frame(headers, body))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
