"""Folds floors at past moments from the nearest earlier snapshot and the log's entries.

This runs in a separate process while the server writes the files. It reads a data folder's
``log.db`` and ``mirror.db``, each as of one moment, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import structlog

from floorcast.floor.state import FloorState
from floorcast.log.log_file import StreamRow
from floorcast.log.log_reader import LogReader
from floorcast.log.port import Entry
from floorcast.model.errors import Unavailable
from floorcast.model.token import INDEX_BITS, MAX_INDEX, end_of_entry, entry_of
from floorcast.projection.evicted_calls import EvictedCalls
from floorcast.projection.folder_reader import FolderReader, open_folder
from floorcast.projection.initial_state import state_before_log
from floorcast.projection.refold import FoldLimits, Refold
from floorcast.sqlite.background_writer import DAMAGED, BackgroundWriter
from floorcast.sqlite.files import errors_as_unavailable
from floorcast.store import snapshots
from floorcast.store.call_days import CallDay, CallDays
from floorcast.store.stored_calls import CallKey

__all__ = ["PastFloors", "TooLongAgo", "past_floors"]

_READ_ENTRIES = 1000  # the most entries read at a time; fewer if they are large
_log = structlog.stdlib.get_logger(__name__)


class TooLongAgo(Exception):
    """The data from which this floor would be folded is no longer stored.

    ``since`` is the first tick for which a floor can still be folded, or None if there is none.
    """

    def __init__(self, since: int | None) -> None:
        super().__init__()
        self.since = since


class PastFloors:
    """The floors of a data folder's clients at past positions. See ``past_floors``."""

    def __init__(self, folder: FolderReader, limits: FoldLimits) -> None:
        self._folder = folder
        self._reader, self._store = folder
        self._limits = limits
        self._streams = {row.client: row for row in folder.log.streams()}

    def floor(self, client: int, position: int, earlier: Refold | None = None) -> Refold:
        """Return the client's floor at a position: after an event, or at the end of an entry.

        ``earlier`` is an earlier result, which is reused if that saves work. Raises TooLongAgo, or
        Unavailable if the files cannot be read.
        """
        row = self._streams.get(client)
        if row is None:
            return Refold(FloorState(client=client), self._limits)
        stream = _ClientStream(self._reader, row)
        try:
            refold = self._start(stream, position, earlier)
        except DAMAGED as error:
            raise Unavailable("derived data is damaged and is being rebuilt", 5) from error
        base = end_of_entry(refold.base)
        refold.find_calls = lambda keys: self.find_calls(client, keys, base)
        _fold(stream, refold, position)
        return refold

    def evicted_calls(self, client: int, day: int, service: int, position: int) -> EvictedCalls:
        """Return the calls that were no longer in memory at a position.

        The store must have every call that had left memory by then. Raises Unavailable. See
        ``Projection.evicted_calls``.
        """
        return EvictedCalls(self, client, (day, service), position)

    def call_days(
        self, client: int, day: int, service: int, at_position: int
    ) -> Iterator[list[CallDay]]:
        """See ``ProjectionStore.call_days``."""
        no_writer = BackgroundWriter(apsw.Connection(":memory:"), "nothing", background=False)
        return CallDays(self._store, no_writer, _damaged).of(client, day, service, at_position)

    def find_calls(
        self, client: int, keys: Collection[CallKey], at_position: int
    ) -> dict[CallKey, bytes]:
        """See ``ProjectionStore.find_calls``. Raises Unavailable."""
        return self._folder.find_calls(client, keys, at_position)

    def _start(self, stream: _ClientStream, position: int, earlier: Refold | None) -> Refold:
        """Return a floor at or before the position."""
        last_whole_entry = (
            entry_of(position)
            if position == end_of_entry(entry_of(position))
            else entry_of(position) - 1
        )
        removed = stream.last_removed(stream.client)
        nearest = snapshots.newest_entry(self._store, stream.client, last_whole_entry) or 0
        if earlier is not None and (
            earlier.reached == position
            or (
                earlier.is_whole()
                and max(nearest, removed) <= entry_of(earlier.reached) <= last_whole_entry
            )
        ):
            return earlier
        state = self._folder.newest_state(stream.client, last_whole_entry, removed)
        if state is not None:
            return Refold(state, self._limits)
        if removed:
            oldest = snapshots.oldest(self._store, stream.client, removed)
            since = (
                None if oldest is None else self._reader.recorded_at(stream.row.ordinal, oldest + 1)
            )
            raise TooLongAgo(since)
        return Refold(state_before_log(stream.client, stream), self._limits)


class _ClientStream:
    """The stream of one client."""

    def __init__(self, reader: LogReader, row: StreamRow) -> None:
        self.reader = reader
        self.row = row
        self.client = row.client

    def last_removed(self, _client: int) -> int:
        """See ``EventLog.last_removed``."""
        return self.reader.last_removed(self.row.ordinal)

    def last_removed_site(self, _client: int) -> Entry | None:
        """See ``EventLog.last_removed_site``."""
        return self.reader.last_removed_site(self.row.ordinal)


@contextmanager
def past_floors(folder: Path, limits: FoldLimits) -> Iterator[PastFloors]:
    """Open the files of a data folder for reading. Raises Unavailable."""
    # hold the log first, so that it still has every entry that follows a stored snapshot
    with open_folder(folder) as files, files.log.consistent_reads():
        with errors_as_unavailable():
            files.store.execute("BEGIN")
        yield PastFloors(files, limits)


def _damaged(client: int | None) -> None:
    """Log that data is damaged. The server also finds the damage, and repairs it."""
    _log.error("derived_data_damaged", file="mirror.db", client=client)


def _fold(stream: _ClientStream, refold: Refold, position: int) -> None:
    last, index = entry_of(position), position & MAX_INDEX
    row = stream.row._replace(head=stream.row.head._replace(number=last))
    while refold.reached < position:
        after = refold.reached >> INDEX_BITS
        entries = stream.reader.read(row, after, _READ_ENTRIES)
        if not entries:  # the operator has skipped a damaged entry at the end of the log
            return
        for entry in entries:
            through = index if entry.number == last else MAX_INDEX
            refold.fold_entry(entry.number, entry.recorded_at, entry.kind, entry.payload, through)
