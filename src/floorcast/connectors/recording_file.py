"""Appends received data to the ``--record`` file."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["RecordingFile"]


class RecordingFile:
    """Appends data to ``path`` and flushes each write. Writes nothing if ``path`` is None."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("ab") if path else None

    def write(self, piece: bytes) -> None:
        """Append received data."""
        if self._file is not None:
            self._file.write(piece)
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
