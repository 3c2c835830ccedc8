"""The write-ahead log of a file that is flushed at every commit.

Flushing a file that has grown waits for the file system's own journal, and with it for whatever
else the machine writes; flushing one that was only overwritten does not. A busy write-ahead log
is therefore preallocated once, and then overwritten again and again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import apsw

__all__ = ["WalSizes", "WriteAheadLog"]

FRAME_HEADER_BYTES = 24  # in front of each page


@dataclass(frozen=True, slots=True)
class WalSizes:
    """From ``busy_bytes`` on a log is preallocated to ``room_bytes``; a quiet one needs no room.

    From ``full_bytes`` on its pages are moved to the file.
    """

    busy_bytes: int = 1 << 20
    room_bytes: int = 16 << 20
    full_bytes: int = 12 << 20


class WriteAheadLog:
    """The write-ahead log of ``connection``, its only writer.

    The connection no longer checkpoints by itself; ``tidy`` does.
    """

    def __init__(self, connection: apsw.Connection, sizes: WalSizes | None = None) -> None:
        self._connection = connection
        self._sizes = sizes or WalSizes()
        self._path = Path(connection.filename_wal)
        self._frame = int(connection.pragma("page_size")) + FRAME_HEADER_BYTES
        self._preallocated = False
        self.bytes = 0
        connection.pragma("wal_autocheckpoint", 0)
        connection.set_wal_hook(self._committed)

    def tidy(self) -> None:
        """Preallocate the log or checkpoint it, where that is due.

        Raises apsw.Error and OSError; the commits in it stay good.
        """
        if not self._preallocated and self.bytes >= self._sizes.busy_bytes:
            self._preallocated = True
            self._preallocate()
        if self.bytes >= self._sizes.full_bytes:
            self.bytes = 0
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def empty(self) -> None:
        """Checkpoint the whole log and truncate it. Raises apsw.Error."""
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self.bytes = 0
        self._preallocated = False

    def _committed(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self.bytes = pages * self._frame
        return apsw.SQLITE_OK

    def _preallocate(self) -> None:
        """Append zeros: no frame has such a checksum, so SQLite never reads one there."""
        with self._path.open("ab") as file:
            missing = self._sizes.room_bytes - file.tell()
            if missing > 0:
                file.write(bytes(missing))
                file.flush()
                os.fsync(file.fileno())
