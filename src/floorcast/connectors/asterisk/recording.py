"""``--record``: writes received data, to replay or to send with a bug report."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from floorcast.connectors.asterisk.frames import Frame

__all__ = ["Recording"]


class Recording:
    """Writes AMI's frames to ``path`` and lines of the queue log to ``path.queue_log``.

    A frame without a Timestamp gets the time of its arrival, so that it can be replayed. Data sent
    to Asterisk, such as the secret, is not recorded.
    """

    def __init__(self, path: Path | None) -> None:
        self._frames = path.open("a", encoding="utf-8") if path else None
        log = path.with_name(f"{path.name}.queue_log") if path else None
        self._lines = log.open("a", encoding="utf-8") if log else None

    def frame(self, frame: Frame, received: float) -> None:
        """Write a frame."""
        if self._frames is None:
            return
        known = {} if "Timestamp" in frame else {"Timestamp": f"{received:.6f}"}
        for name, value in {**frame, **known}.items():
            kind, colon, variable = name.partition(":")
            written = f"{kind}: {variable}={value}" if colon else f"{name}: {value}"
            self._frames.write(written + "\n")
        self._frames.write("\n")
        self._frames.flush()

    def line(self, line: str) -> None:
        """Write a line of the queue log."""
        if self._lines is not None:
            self._lines.write(line + "\n")
            self._lines.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in (self._frames, self._lines):
            if file is not None:
                file.close()
