"""The projection's store, ``mirror.db``: derived data that is too large for memory.

The store has feed segments, calls that have left the floor's memory, and snapshots of the floor.
Folding the log reproduces all of this data, so it is written in the background and nothing waits
until it is flushed. Writes are stored in the order in which they were submitted, and a crash loses
only the last ones. If a snapshot is in the file, everything written before it is also there. Data
that is not stored yet is read from memory.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import apsw
import structlog

from floorcast.log.port import RETENTION
from floorcast.model.errors import Unavailable
from floorcast.model.token import Now
from floorcast.sqlite import derived_files
from floorcast.sqlite.background_writer import BackgroundWriter
from floorcast.sqlite.checksums import checksum_schema
from floorcast.sqlite.derived_files import Layout, open_derived
from floorcast.sqlite.files import open_reader, remove
from floorcast.store import call_days, rebuilding, snapshots, stored_calls, stored_segments
from floorcast.store.call_days import CallDay, CallDays
from floorcast.store.segment import Segment, SegmentHead
from floorcast.store.snapshots import Snapshot, StoredSnapshots
from floorcast.store.stored_calls import CallKey, StoredCalls
from floorcast.store.stored_segments import StoredSegments
from floorcast.store.superseded import LogBounds, discard_superseded, superseded_clients

__all__ = ["ProjectionStore", "Snapshot", "StoreTuning"]

CHECKSUMMED_TABLES = (stored_segments.CHECKSUMMED_TABLE,)
STORED_TIMEOUT_SECONDS = 10.0  # how long an answer about the past waits for the disk
PAGE_BYTES = 8192  # segments need large pages, but the index of calls needs small ones
CHECKSUMS = """
ALTER TABLE segments ADD COLUMN head_checksum INTEGER;
ALTER TABLE segments ADD COLUMN checksum INTEGER;
ALTER TABLE calls ADD COLUMN checksum INTEGER;
ALTER TABLE snapshots ADD COLUMN checksum INTEGER;
"""
LAYOUT = Layout(
    stored_segments.SCHEMA + stored_calls.SCHEMA + snapshots.SCHEMA,
    PAGE_BYTES,
    (
        CHECKSUMS,
        derived_files.CHECKS + checksum_schema(*CHECKSUMMED_TABLES),
        call_days.STEP + rebuilding.STEP,
    ),
)


_log = structlog.get_logger(__name__)


def _ignore_damage(_client: int) -> None:
    """Ignore damage. The supervisor replaces this callback."""


@dataclass(frozen=True, slots=True)
class StoreTuning:
    """A store's limits.

    Ingest stops while more than ``backlog_bytes`` wait for the disk. A client's snapshots take at
    most ``snapshot_bytes`` on disk.
    """

    backlog_bytes: int = 64 << 20
    snapshot_bytes: int = snapshots.MAX_CLIENT_BYTES
    cache_kib: int = 8192
    retry_seconds: float = 0.5


class ProjectionStore:
    """The store of one log. It is not thread-safe and is used only from the event loop's thread.

    ``path`` is the file, or None to keep everything in memory. ``identity`` is the log's identity,
    and ``heads`` has the number of each client's newest entry. An empty file replaces a file that
    belongs to another log, is ahead of the log, has the layout of another release, or cannot be
    read. Rows have checksums, which are verified when the rows are read.

    Clients in ``rebuilding`` have lost segments or calls, or have calls that an earlier release
    stored without an index. The callback ``on_damage`` rebuilds that data.

    While ``may_be_full`` is false, the backlog has room. If it is true, call ``is_full`` to find
    out.
    """

    def __init__(
        self,
        path: Path | None,
        now: Now,
        *,
        steady_now: Now | None = None,
        identity: str,
        heads: Mapping[int, int],
        retention: int = RETENTION,
        tuning: StoreTuning | None = None,
    ) -> None:
        self._tuning = tuning = tuning or StoreTuning()
        self._path = path
        self._now = now
        self._steady_now = steady_now or now
        self._retention = retention
        self._identity = identity
        self.rebuilding: set[int] = set()
        self.on_damage: Callable[[int], None] = _ignore_damage
        connection = open_derived(
            path, LAYOUT, cache_kib=tuning.cache_kib, identity=identity, heads=heads
        )
        if path is not None and not stored_segments.readable(connection):
            _log.error("derived_data_damaged", file=path.name)
            connection.close()
            connection = self._new_file(path)
        self.rebuilding.update(rebuilding.incomplete(connection))
        self._reader = connection
        if path is not None:
            self._reader = open_reader(path, cache_kib=tuning.cache_kib)
        self._writer = BackgroundWriter(
            connection,
            "mirror.db",
            background=path is not None,
            tidy=self._tidy,
            create_file=None if path is None else partial(self._new_file, path),
            retry_seconds=tuning.retry_seconds,
        )
        self._replacements = 0
        self.may_be_full = False
        self._segments = StoredSegments(self._reader, self._writer, self._report)
        self._calls = StoredCalls(self._reader, self._writer, self._report)
        self._call_days = CallDays(self._reader, self._writer, self._report)
        self._deletions: Counter[int] = Counter()
        self._snapshots = StoredSnapshots(
            self._reader, self._writer, self._report, tuning.snapshot_bytes
        )

    @property
    def healthy(self) -> bool:
        """Whether the last attempt to write was successful."""
        return self._writer.healthy

    @property
    def backlog(self) -> int:
        """The number of bytes in memory that have not been stored yet."""
        self._settle()
        return self._writer.backlog

    def is_full(self) -> bool:
        """Return whether the backlog is so large that ingest should refuse events."""
        self.may_be_full = self.backlog > self._tuning.backlog_bytes
        return self.may_be_full

    def write_segment(self, client: int, feed: str, segment: Segment) -> None:
        """Store the feed's next segment. Raises ValueError unless it follows the last segment."""
        with self._writing():
            self._segments.write(client, feed, segment)

    def covered(self, client: int, feed: str) -> int:
        """Return the last position that is stored for the feed, or 0 if none is."""
        self._settle()
        return self._segments.covered(client, feed)

    def segments(
        self, client: int, feed: str, after_position: int, limit: int
    ) -> list[SegmentHead]:
        """Return the heads of up to ``limit`` segments that end after ``after_position``.

        The oldest comes first. Raises Unavailable.
        """
        self._settle()
        if client in self.rebuilding:
            raise Unavailable("the client's older events are being rebuilt")
        return self._segments.heads(client, feed, after_position, limit)

    def segment(self, client: int, feed: str, head: SegmentHead) -> Segment | None:
        """Return the segment that belongs to a head, or None if retention has removed it.

        Raises Unavailable.
        """
        return self._segments.segment(client, feed, head)

    def write_calls(
        self, client: int, position: int, versions: Iterable[tuple[int, str, int, bytes]]
    ) -> None:
        """Store the state that calls have from ``position`` onward.

        A version is (transaction, session, last event in ms, body).
        """
        with self._writing():
            self._calls.write(client, position, versions, self._now())

    def find_calls(
        self, client: int, keys: Collection[CallKey], at_position: int
    ) -> dict[CallKey, bytes]:
        """Return the newest version of each call at or before ``at_position``.

        A call's key is (transaction, session). Calls that are not stored are left out. Raises
        Unavailable.
        """
        self._settle()
        return self._calls.find(client, keys, at_position)

    def write_call_days(
        self, client: int, position: int, rows: Iterable[tuple[int, int, CallDay]]
    ) -> None:
        """Store how calls that are no longer in memory count from ``position`` onward.

        Each row is (day, service, how the call counts).
        """
        with self._writing():
            self._call_days.write(client, position, rows)

    def call_days(
        self, client: int, day: int, service: int, at_position: int
    ) -> Iterator[list[CallDay]]:
        """Return the calls no longer in memory that count at a service on a day.

        The result is as of ``at_position``. It yields a few calls per turn of the event loop.
        Raises Unavailable.
        """
        self._settle()
        found = self._call_days.of(client, day, service, at_position)
        return self._checked(client, found, self._deletions[client])

    def write_snapshot(
        self, client: int, entry: int, version: int, blob: bytes | bytearray, kept_from: int = 0
    ) -> None:
        """Store a snapshot of the client's floor after ``entry``.

        Snapshots before entry ``kept_from`` are deleted. If the rest is larger than
        ``snapshot_bytes``, the oldest ones are also deleted. The newest two always stay.
        """
        with self._writing():
            self._snapshots.write(client, Snapshot(entry, version, blob), kept_from)

    def newest_snapshot(self, client: int, at_most_entry: int) -> Snapshot | None:
        """Return the newest snapshot at or before an entry, if any. Raises Unavailable."""
        self._settle()
        return self._snapshots.newest(client, at_most_entry)

    async def stored(self) -> None:
        """Wait until everything that has been submitted is stored. Raises Unavailable."""
        if self.backlog and not await asyncio.to_thread(
            self._writer.wait, timeout=STORED_TIMEOUT_SECONDS
        ):
            raise Unavailable("the disk does not take what has to be stored first: try again", 5)

    async def discard_superseded(self, bounds_of: Callable[[int], LogBounds]) -> None:
        """Discard what other rules computed, before anything is read. See ``superseded.py``.

        ``bounds_of`` returns the bounds of a client's log.
        """
        try:
            clients = superseded_clients(self._reader)
        except apsw.Error:  # whoever reads the snapshots next finds the damage and repairs it
            return
        if clients:
            logs = {client: bounds_of(client) for client in clients}
            work = partial(discard_superseded, logs=logs)
            self._writer.submit(0, work)
            await self._written()

    async def delete_client(self, client: int) -> None:
        """Delete a client's segments and calls, and wait until they are gone. Snapshots stay."""
        rebuilding.begin(self._writer, client)
        for name in self._segments.feeds_of(client):
            self._segments.delete_feed(client, name)
        self._calls.delete_client(client)
        self._call_days.delete_client(client)
        self._deletions[client] += 1
        await self._written()

    async def _written(self) -> None:
        """Wait until everything submitted is stored, however long the disk fails."""
        while not await asyncio.to_thread(self._writer.wait):
            pass  # nothing can be folded again until it works
        self._settle()

    def _checked(
        self, client: int, found: Iterator[list[CallDay]], deletions: int
    ) -> Iterator[list[CallDay]]:
        """Yield the rows that are found. Raises Unavailable if the calls are being rebuilt."""
        for rows in found:
            if client in self.rebuilding or self._deletions[client] != deletions:
                raise Unavailable("the client's older calls are being rebuilt")
            yield rows

    def mark_rebuilt(self, client: int) -> None:
        """Record that all of the client's data has been submitted again after ``delete_client``."""
        self.rebuilding.discard(client)
        rebuilding.end(self._writer, client)

    async def close(self) -> None:
        """Store everything that has been submitted, and then close the file."""
        if self._path is not None:
            self._reader.close()
        await asyncio.to_thread(self._writer.close)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Wrap a write, and afterward record whether the backlog is too large."""
        self._settle()
        yield
        self.may_be_full = self._writer.backlog > self._tuning.backlog_bytes

    def _settle(self) -> None:
        """Process the jobs that the writer has stored, and any new file that it has begun."""
        self._writer.run_callbacks()
        path = self._path
        if path is None or self._replacements == self._writer.replacements:
            return
        self._replacements = self._writer.replacements
        self._reader.close()
        self._reader = open_reader(path, cache_kib=self._tuning.cache_kib)
        for part in (self._segments, self._calls, self._call_days, self._snapshots):
            part.reader = self._reader
        for client in self._segments.clients():
            self.rebuilding.add(client)
            self.on_damage(client)

    def _report(self, client: int | None) -> None:
        """Handle damage that a reader has found."""
        if client is not None and client not in self.rebuilding:
            _log.error("derived_data_damaged", file="mirror.db", client=client)
            self.rebuilding.add(client)
            self.on_damage(client)
        elif client is not None:
            return
        elif self._replacements == self._writer.replacements:
            self._writer.request_replacement(self._replacements)

    def _new_file(self, path: Path) -> apsw.Connection:
        remove(path)
        cache_kib = self._tuning.cache_kib
        return open_derived(path, LAYOUT, cache_kib=cache_kib, identity=self._identity, heads={})

    def _tidy(self, connection: apsw.Connection) -> bool:
        now = self._steady_now()
        more_segments = stored_segments.trim(connection, now - self._retention)
        # a floor at a past time needs the calls as they were at that time
        more_calls = stored_calls.trim(connection, now - 2 * self._retention)
        more_days = call_days.trim(connection, now - 2 * self._retention)
        return more_segments or more_calls or more_days
