"""A data folder's ``log.db`` and ``mirror.db``, read while the server writes them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import apsw

from floorcast.floor.state import FloorState
from floorcast.log.log_reader import LogReader
from floorcast.model.errors import Unavailable
from floorcast.sqlite.background_writer import DAMAGED
from floorcast.sqlite.files import open_reader
from floorcast.store import snapshots, stored_calls
from floorcast.store.damage import UNREADABLE
from floorcast.store.stored_calls import CallKey

__all__ = ["FolderReader", "open_folder"]

CACHE_KIB = 8192


class FolderReader(NamedTuple):
    """The log, and the store with snapshots and calls that have left memory."""

    log: LogReader
    store: apsw.Connection

    def newest_state(self, client: int, at_most_entry: int, removed: int) -> FloorState | None:
        """Return the floor in the newest usable snapshot at or before an entry.

        Returns None if there is none. Raises Unavailable. See ``snapshots.newest_state``.
        """

        def newest(at_most: int) -> snapshots.Snapshot | None:
            return next(snapshots.undamaged(self.store, client, at_most, removed), None)

        try:
            return snapshots.newest_state(client, newest, at_most_entry, removed)
        except DAMAGED as error:
            raise _being_rebuilt() from error

    def find_calls(
        self, client: int, keys: Collection[CallKey], at_position: int
    ) -> dict[CallKey, bytes]:
        """See ``ProjectionStore.find_calls``. Raises Unavailable."""
        try:
            return stored_calls.find_stored(self.store, client, keys, at_position)
        except (apsw.Error, *UNREADABLE) as error:
            raise _being_rebuilt() from error


@contextmanager
def open_folder(folder: Path) -> Iterator[FolderReader]:
    """Open the files of a data folder for reading. Raises Unavailable."""
    with ExitStack() as stack:
        try:  # Open the log first, so that it still has every entry that follows a stored snapshot.
            log = LogReader(folder / "log.db")
        except apsw.Error as error:
            raise Unavailable(f"the log in {folder} cannot be read: {error}") from error
        stack.callback(log.close)
        try:
            store = open_reader(folder / "mirror.db", cache_kib=CACHE_KIB)
        except apsw.Error as error:
            raise _being_rebuilt() from error
        stack.callback(store.close)
        yield FolderReader(log, store)


def _being_rebuilt() -> Unavailable:
    return Unavailable("derived data cannot be read, or is being rebuilt", 5)
