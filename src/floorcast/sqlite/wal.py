"""The write-ahead log of a file that is flushed at every commit: laid out, and written over.

A flush of a file that has grown has to wait for the file system's own journal, and with it for
whatever else the machine writes; a flush of one that was only written over does not. So a log
that is busy is laid out in full, once, and then written over again and again.
"""

from __future__ import annotations

import os
from pathlib import Path

import apsw

__all__ = ["WriteAheadLog"]

BUSY = 1 << 20  # bytes in it from which on it is laid out: a quiet log needs no room
ROOM = 16 << 20  # bytes that are laid out
FULL = 12 << 20  # bytes in it from which on they are moved to the file
FRAME = 24  # bytes in front of each page


class WriteAheadLog:
    """The write-ahead log of ``connection``, its only writer, which no longer moves it itself."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._path = Path(connection.filename_wal)
        self._frame = int(connection.pragma("page_size")) + FRAME
        self._laid_out = False
        self.bytes = 0
        connection.pragma("wal_autocheckpoint", 0)
        connection.set_wal_hook(self._committed)

    def tidy(self) -> None:
        """Lay it out, or move what is in it to the file, where it is time for that.

        Raises apsw.Error and OSError; what is in it stays good.
        """
        if not self._laid_out and self.bytes >= BUSY:
            self._laid_out = True
            self._lay_out()
        if self.bytes >= FULL:
            self.bytes = 0
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def empty(self) -> None:
        """Move what is in it to the file, and cut it to nothing; raises apsw.Error."""
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self.bytes = 0
        self._laid_out = False

    def _committed(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self.bytes = pages * self._frame
        return apsw.SQLITE_OK

    def _lay_out(self) -> None:
        """Zeros behind its end: no frame has such a checksum, so none is ever read there."""
        with self._path.open("ab") as file:
            missing = ROOM - file.tell()
            if missing > 0:
                file.write(bytes(missing))
                file.flush()
                os.fsync(file.fileno())
