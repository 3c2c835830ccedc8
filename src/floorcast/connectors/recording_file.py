"""Appends received data to the ``--record`` file."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from floorcast.model.errors import SettingError
from floorcast.model.private_files import open_private

__all__ = ["CUT", "RecordingFile"]

_log = structlog.get_logger("floorcast.connect")

CUT = b"\0"  # a power failure also leaves such bytes


class RecordingFile:
    """Appends data to ``path`` at once. Writes nothing if ``path`` is None.

    Every record ends with ``end``. If the file's last record was cut, ``CUT`` and ``end`` are
    appended. Without ``end``, the next record would be read as a part of it. Without ``CUT``, it
    would look like a whole record with other values. A new file can be read only by its owner,
    because it contains callers' numbers. Raises SettingError if the file cannot be opened. If it
    cannot be written later, such as on a full disk, the recording ends and the connector continues.
    """

    def __init__(self, path: Path | None, end: bytes = b"") -> None:
        flags = os.O_WRONLY | os.O_APPEND
        try:
            is_cut = path is not None and path.is_file() and _is_cut(path, end)
            # without a buffer, which would try to write the same bytes again at the end
            self._file = os.fdopen(open_private(path, flags), "ab", buffering=0) if path else None
        except OSError as error:
            raise SettingError(f"--record: {path} cannot be written: {error.strerror}") from error
        self._path = path
        if is_cut:
            self.write(CUT + end)

    def write(self, piece: bytes) -> None:
        """Append received data."""
        if self._file is None:
            return
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            _log.error("the recording ended", record=str(self._path), why=error.strerror)
            self.close()
            self._file = None

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


def _is_cut(path: Path, end: bytes) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(end)))
        return size > 0 and file.read(len(end)) != end
