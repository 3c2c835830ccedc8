"""What a data folder has of one client: its log, its snapshots and the calls that left memory.

It is read beside a running server, which alone writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Self

import apsw
import structlog

from floorcast.floor.state import FloorState
from floorcast.log.log_file import StreamRow
from floorcast.log.log_reader import LogReader
from floorcast.log.port import Entry
from floorcast.model.errors import Unavailable
from floorcast.sqlite.background_writer import BackgroundWriter
from floorcast.sqlite.files import open_reader
from floorcast.store.snapshots import StoredSnapshots, state_of
from floorcast.store.stored_calls import CallKey, StoredCalls

__all__ = ["StoredFloor"]

READ_ENTRIES = 64
CACHE_KIB = 8192

_log = structlog.get_logger(__name__)


class StoredFloor:
    """One client's log and store. Raises Unavailable when they cannot be read."""

    def __init__(self, folder: Path, client: int) -> None:
        self.client = client
        try:
            self._log = LogReader(folder / "log.db")
            reader = open_reader(folder / "mirror.db", cache_kib=CACHE_KIB)
        except apsw.Error as error:
            raise Unavailable(f"the log in {folder} cannot be read: {error}") from error
        self._reader = reader
        rows = {row.client: row for row in self._log.streams()}
        self.stream: StreamRow | None = rows.get(client)
        nobody = BackgroundWriter(apsw.Connection(":memory:"), "nothing", background=False)
        self._calls = StoredCalls(reader, nobody, self._damaged)
        self._snapshots = StoredSnapshots(reader, nobody, self._damaged)

    def __enter__(self) -> Self:
        """Use the files until the block ends."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the files."""
        self._log.close()
        self._reader.close()

    @property
    def removed(self) -> int:
        """The number of the last entry that retention removed; 0 for none."""
        return 0 if self.stream is None else self._log.removed(self.stream.ordinal)

    @property
    def head_at(self) -> int:
        """When the newest entry was recorded, in ticks; 0 if there is none."""
        return 0 if self.stream is None else self.stream.head.recorded_at

    def first_at(self) -> int | None:
        """When the oldest entry that is stored was recorded, in ticks."""
        for entry in self.entries(self.removed):
            return entry.recorded_at
        return None

    def last_before(self, ticks: int) -> int:
        """The number of the last entry recorded before a tick; removed entries count."""
        return 0 if self.stream is None else self._log.last_at(self.stream, ticks - 1)

    def entries(self, after: int) -> Iterator[Entry]:
        """The entries after ``after``, in order."""
        while self.stream is not None:
            found = self._log.read(self.stream, after, READ_ENTRIES)
            if not found:
                return
            yield from found
            after = found[-1].number

    def state(self, at_most_entry: int) -> FloorState | None:
        """The newest stored state at or before an entry that the log continues; None for none.

        A log that has lost nothing continues the empty floor.
        """
        found = self._snapshots.newest(self.client, at_most_entry)
        state = None
        if found is not None and found.entry >= self.removed:
            state = state_of(self.client, found)
        if state is None and not self.removed:
            return FloorState(client=self.client)
        return state

    def find_calls(self, keys: Collection[CallKey], at_place: int) -> dict[CallKey, bytes]:
        """Calls that had left memory at a position, in stored form."""
        return self._calls.find(self.client, keys, at_place)

    def _damaged(self, client: int | None) -> None:
        _log.error("derived_data_damaged", file="mirror.db", client=client)
