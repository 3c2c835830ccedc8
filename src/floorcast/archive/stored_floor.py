"""Reads one client's data in a data folder: the log, the snapshots and the calls out of memory.

The data can be read while the server runs. Only the server writes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from floorcast.floor.state import FloorState
from floorcast.log.log_file import StreamRow
from floorcast.log.port import Entry
from floorcast.model.errors import Unavailable
from floorcast.projection.folder_reader import open_folder
from floorcast.sqlite.files import errors_as_unavailable, fetch_one
from floorcast.store.stored_calls import CallKey

__all__ = ["StoredFloor"]

READ_ENTRIES = 64


class StoredFloor:
    """The log and store of one client. Raises Unavailable if they cannot be read.

    The store is read in one transaction, so a rebuild cannot remove data during the read. The log
    is read without a transaction, which would prevent SQLite from reusing the write-ahead log for
    minutes. Instead, ``entries`` detects whether retention has removed entries.
    """

    def __init__(self, folder: Path, client: int) -> None:
        self.client = client
        with ExitStack() as stack:
            self._folder = stack.enter_context(open_folder(folder))
            self._log = self._folder.log
            with errors_as_unavailable():
                self._folder.store.execute("BEGIN")
                fetch_one(self._folder.store, "SELECT 1 FROM snapshots LIMIT 1")  # begins here
            rows = {row.client: row for row in self._log.streams()}
            self._open = stack.pop_all()
        self.stream: StreamRow | None = rows.get(client)

    def __enter__(self) -> Self:
        """Return the floor itself. The files stay open until the block ends."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the files."""
        self._open.close()

    @property
    def removed(self) -> int:
        """The number of the last entry that retention removed, or 0 if there is none."""
        return 0 if self.stream is None else self._log.last_removed(self.stream.ordinal)

    @property
    def head_at(self) -> int:
        """The recording time of the newest entry in ticks, or 0 if there is none."""
        return 0 if self.stream is None else self.stream.head.recorded_at

    def first_at(self) -> int | None:
        """Return the recording time of the oldest stored entry, in ticks."""
        if self.stream is None:
            return None
        found = self._log.read(self.stream, self.removed, 1)
        return found[0].recorded_at if found else None

    def last_before(self, ticks: int) -> int:
        """Return the number of the last entry recorded before a tick, including removed entries."""
        return 0 if self.stream is None else self._log.last_entry_at(self.stream, ticks - 1)

    def entries(self, after: int) -> Iterator[Entry]:
        """Yield the entries with higher numbers than ``after``, in order.

        Raises Unavailable if retention removes some of these entries during the read.
        """
        while self.stream is not None:
            found = self._log.read(self.stream, after, READ_ENTRIES)
            if self.removed > after:
                raise Unavailable("the log has removed hours that were being read: try again", 5)
            if not found:
                return
            yield from found
            after = found[-1].number

    def state(self, at_most_entry: int) -> FloorState | None:
        """Return the newest stored state at or before an entry, or None.

        The log must still have the entries after the state. If the log has all entries, the oldest
        state is the empty floor. Raises Unavailable.
        """
        state = self._folder.newest_state(self.client, at_most_entry, self.removed)
        if state is None and not self.removed:
            return FloorState(client=self.client)
        return state

    def find_calls(self, keys: Collection[CallKey], at_position: int) -> dict[CallKey, bytes]:
        """Return those of the calls that had left memory at a position, in stored form."""
        return self._folder.find_calls(self.client, keys, at_position)
