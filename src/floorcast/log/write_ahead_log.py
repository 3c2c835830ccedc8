"""The write-ahead log of ``log.db``: preallocated, and checkpointed between groups."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import apsw

__all__ = ["WalSizes", "WriteAheadLog"]

FRAME_HEADER_BYTES = 24  # before each page


@dataclass(frozen=True, slots=True)
class WalSizes:
    """The sizes at which a write-ahead log is preallocated and checkpointed.

    A log that reaches ``preallocate_at_bytes`` is preallocated to ``preallocated_bytes``. A log
    that reaches ``checkpoint_at_bytes`` is checkpointed into the database file. It is checkpointed
    earlier after ``checkpoint_at_payload_bytes`` of entries. Small commits write the same pages
    again and again, but each large one writes new pages, whose flush delays the next commits.
    """

    preallocate_at_bytes: int = 1 << 20
    preallocated_bytes: int = 16 << 20
    checkpoint_at_bytes: int = 12 << 20
    checkpoint_at_payload_bytes: int = 512 << 10


class WriteAheadLog:
    """The write-ahead log of ``connection``, which is its only writer and flushes every commit.

    The connection no longer checkpoints on its own. Call ``maintain`` once a commit has reached
    ``due_pages``, or ``due_payload_bytes`` of entries were committed. Flushing a file that has
    grown waits for the file system's own journal. Flushing a file that was only overwritten does
    not. A busy write-ahead log is therefore preallocated once, and then overwritten again and
    again.
    """

    def __init__(self, connection: apsw.Connection, sizes: WalSizes) -> None:
        self._connection = connection
        self._path = Path(connection.filename_wal)
        self._preallocated_bytes = sizes.preallocated_bytes
        frame = int(connection.pragma("page_size")) + FRAME_HEADER_BYTES
        self._preallocate_at_pages = -(-sizes.preallocate_at_bytes // frame)
        self._checkpoint_at_pages = -(-sizes.checkpoint_at_bytes // frame)
        self.due_payload_bytes = sizes.checkpoint_at_payload_bytes
        self.due_pages = min(self._preallocate_at_pages, self._checkpoint_at_pages)
        self._preallocated = False
        connection.pragma("wal_autocheckpoint", 0)

    def maintain(self, pages: int, payload_bytes: int) -> None:
        """Preallocate or checkpoint the log, if that is due.

        The log has this many pages. ``payload_bytes`` of entries were written since the last call.

        Raises apsw.Error and OSError, but the commits stay valid.
        """
        if pages >= self._preallocate_at_pages and not self._preallocated:
            self._preallocated, self.due_pages = True, self._checkpoint_at_pages
            self._preallocate()
        if pages >= self._checkpoint_at_pages or payload_bytes >= self.due_payload_bytes:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _preallocate(self) -> None:
        """Append zeros.

        No frame has a checksum of zeros, so SQLite does not mistake the zeros for a frame.
        """
        with self._path.open("ab") as file:
            missing = self._preallocated_bytes - file.tell()
            if missing > 0:
                file.write(bytes(missing))
                file.flush()
                os.fsync(file.fileno())
