"""``--record``: what was read, as it can be replayed or sent with a bug report."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from floorcast.connectors.freeswitch.frames import Frame

__all__ = ["COMMAND", "TIME", "Recording"]

COMMAND, TIME = "Command", "Time"  # headers that only recordings have: what was asked, and when


class Recording:
    """Writes frames to ``path``, as they came, and the lists that were asked for.

    Nothing that is sent to FreeSWITCH is recorded: the password is not in it.
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
