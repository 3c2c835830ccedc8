"""Stores a connector's state in one SQLite file: unsent events, open calls, agents and positions.

A transaction stores new events, changed rows, and the position after the items that caused them. A
crash between two transactions therefore loses nothing, and the server recognizes repeated events by
their ids.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import apsw
import msgspec

from floorcast.client import CloudEvent
from floorcast.model.errors import SettingError
from floorcast.model.private_files import make_private
from floorcast.model.undecodable import UNDECODABLE

__all__ = ["Spool", "SpoolFull"]

BUSY_MS = 5_000
DAMAGED = (apsw.CorruptError, apsw.NotADBError, apsw.IOError, *UNDECODABLE)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (number INTEGER PRIMARY KEY AUTOINCREMENT, line BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS open (
    kind TEXT, name TEXT, row BLOB NOT NULL, PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
# In a damaged file, a value can have any type.
_OLDEST = """
SELECT number, coalesce(CAST(line AS BLOB), x'') FROM event ORDER BY number LIMIT ?
"""
_ROWS = "SELECT kind, name, coalesce(CAST(row AS BLOB), x'') FROM open"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CloudEvent).decode


class SpoolFull(Exception):
    """The disk is full. Nothing was stored or deleted, and the call can be repeated."""


class Spool:
    """The spool file at ``path``, which is created if necessary and is private to its owner.

    Only one connector at a time may open the file. Threads may share the spool. Every method raises
    SettingError if the file cannot be used, is damaged, or another connector is using it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # because a cancelled task's thread continues to run
        if not path.name or path.is_dir():
            raise SettingError(f"the spool must be a file, and {path} is a folder")
        try:
            make_private(path, path.with_name(f"{path.name}-wal"))
            self._connection = apsw.Connection(str(path))
            self._connection.set_busy_timeout(0)
            self._connection.pragma("locking_mode", "EXCLUSIVE")
            self._connection.pragma("journal_mode", "WAL")
            self._connection.pragma("synchronous", "FULL")
            self._connection.execute("BEGIN EXCLUSIVE;" + _SCHEMA + "COMMIT")
            self._connection.set_busy_timeout(BUSY_MS)
            self._unsent = self._count()
            self._status = path.stat()
        except apsw.BusyError:
            raise SettingError(f"{path}: another connector is using this spool") from None
        except (OSError, apsw.Error) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise SettingError(f"{path} cannot be used as a spool: {why}") from None

    def is_at_its_path(self) -> bool:
        """Return whether the file is still at its path, and not deleted or replaced."""
        try:
            return os.path.samestat(self._status, self._path.stat())
        except OSError:
            return False

    @property
    def unsent(self) -> int:
        """The number of events waiting to be sent."""
        return self._unsent

    def commit(
        self,
        events: Iterable[CloudEvent],
        rows: Mapping[tuple[str, str], object],
        position: Mapping[str, str],
    ) -> None:
        """Store events, rows and positions in one transaction. A row that is None is deleted.

        Raises SpoolFull.
        """
        lines = [(_encode(event),) for event in events]
        deleted = [key for key, row in rows.items() if row is None]
        stored = [(*key, _encode(row)) for key, row in rows.items() if row is not None]
        with self._lock, self._usable(), self._connection:
            self._connection.executemany("INSERT INTO event (line) VALUES (?)", lines)
            self._connection.executemany("DELETE FROM open WHERE kind = ? AND name = ?", deleted)
            self._connection.executemany("INSERT OR REPLACE INTO open VALUES (?, ?, ?)", stored)
            self._connection.executemany(
                "INSERT OR REPLACE INTO position VALUES (?, ?)", list(position.items())
            )
            self._unsent += len(lines)

    def oldest(self, limit: int) -> tuple[int, list[CloudEvent]]:
        """Return the next events to send, at most ``limit``.

        The first element of the result is the number of the last event, or 0 if there are no
        events.
        """
        with self._lock, self._usable():
            rows: list[Any] = self._connection.execute(_OLDEST, (limit,)).fetchall()
            events = [_decode(line) for _, line in rows]
        return (int(rows[-1][0]) if rows else 0), events

    def delete_sent(self, up_to: int) -> None:
        """Delete the events up to the number ``up_to``, because the server has received them.

        Raises SpoolFull, because a deletion is first written, too.
        """
        with self._lock, self._usable(), self._connection:
            self._connection.execute("DELETE FROM event WHERE number <= ?", (up_to,))
            deleted = self._connection.changes()
        if up_to and not deleted:  # the events would be sent again forever
            raise self._damaged("sent events cannot be deleted")
        self._unsent -= deleted

    def rows(self) -> list[tuple[str, str, bytes]]:
        """Return the kind, name and contents of each open row."""
        with self._usable():
            found = self._connection.execute(_ROWS)
            return [(str(kind), str(name), bytes(row)) for kind, name, row in found]

    def positions(self) -> dict[str, str]:
        """Return the positions by name."""
        with self._usable():
            found = self._connection.execute("SELECT name, value FROM position")
            return {str(name): str(value) for name, value in found}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (apsw.Error, *UNDECODABLE) as error:
            # SQLite rolls back by itself, and apsw then reports that there is nothing to roll back
            reasons = (error, error.__context__)
            if any(isinstance(one, apsw.FullError) for one in reasons):
                raise SpoolFull(f"{self._path}: the disk is full") from None
            if any(isinstance(one, apsw.ReadOnlyError) for one in reasons):
                raise SettingError(
                    f"{self._path} can no longer be written: check the file and its disk, and start"
                    " the connector again"
                ) from None
            if any(isinstance(one, DAMAGED) for one in reasons):
                raise self._damaged(str(error)) from None
            raise

    def _damaged(self, why: str) -> SettingError:
        return SettingError(
            f"{self._path} is damaged ({why}): rename it, and the connector begins a new spool,"
            " without the unsent events"
        )

    def _count(self) -> int:
        found = self._connection.execute("SELECT count(*) FROM event").fetchall()
        count = found[0][0]
        assert isinstance(count, int)
        return count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
