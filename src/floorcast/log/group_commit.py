"""Group commit: one thread stores all writes that have arrived since the last group.

Most groups are a single statement. The thread then releases the interpreter's lock once and flushes
the disk once for any number of waiting requests. If a group fails, neither the group nor any later
write of the same ``epoch`` is stored, because later entry numbers depend on the failed ones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import chain
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

import apsw
import structlog

from floorcast.log.log_file import StreamPosition, first_id
from floorcast.log.retention import Retention
from floorcast.log.tuning import LogTuning
from floorcast.log.write_ahead_log import WriteAheadLog
from floorcast.sqlite.bulk_rows import insert_rows, insert_statement
from floorcast.sqlite.checksums import checksum, row_checksum
from floorcast.sqlite.files import fetch_one, transaction

__all__ = ["GroupOutcome", "GroupWriter", "Row", "Write", "entry_checksum"]

PROBE_SECONDS = 0.5  # between attempts to write while the disk fails and there are no requests

ADD_STREAM = "INSERT OR IGNORE INTO streams (ordinal, client) VALUES (?, ?)"
UPDATE_POSITION = """
UPDATE following SET seq = ?2, taken = ?3, digest = ?4, checksum = ?5 WHERE stream = ?1
"""
ADD_ENTRIES = "INSERT INTO entries (id, taken, kind, count, payload, checksum)"
COLUMNS = 6
NEWEST = "SELECT taken FROM entries WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1"
PROBE = "UPDATE probes SET count = count + 1"  # SQLite does not write unchanged data

_log = structlog.get_logger(__name__)


class Row(NamedTuple):
    """A stored entry. ``id`` combines the stream's ordinal with the entry's number."""

    id: int
    recorded_at: int
    kind: int
    events: int
    payload: bytes


class Write(NamedTuple):
    """Rows of the stream ``ordinal`` that are stored together.

    ``new_client`` is the stream's client if the stream may be new. ``stream_position`` is the
    position in the followed stream after these rows.
    """

    epoch: int
    ordinal: int
    rows: Sequence[Row]
    size: int
    new_client: int | None
    stream_position: StreamPosition | None = None


class GroupOutcome(NamedTuple):
    """The outcome of a group. ``seconds`` is the time that the disk took.

    ``damaged`` contains the ordinals of streams whose end is on a damaged page. They made the group
    fail, and nothing can be appended to them.
    """

    writes: Sequence[Write]
    error: Exception | None
    seconds: float
    damaged: Collection[int] = ()


def entry_checksum(row_id: int, recorded_at: int, kind: int, count: int, payload: bytes) -> int:
    """Return the checksum that is stored with an entry."""
    return checksum(payload, row_id, recorded_at, kind, count)


class _End:
    """The last item of the queue, which ends the thread."""


END: Final = _End()


class GroupWriter:
    """Owns the connection that writes the log, and the log's retention.

    ``healthy`` is False while groups fail.
    """

    def __init__(
        self, connection: apsw.Connection, retention: Retention, tuning: LogTuning
    ) -> None:
        self._connection = connection
        self._retention = retention
        self._tuning = tuning
        self._on_outcome: Callable[[GroupOutcome], None] = lambda _: None
        self._queue: SimpleQueue[Write | _End] = SimpleQueue()
        self._failed_epoch = -1
        self._needs_probe = False
        self._failing_tasks: set[str] = set()
        self._retention_due = True  # whether there may be more to remove
        self._reported_unwritable = False
        self.healthy = True
        self._wal = WriteAheadLog(connection, tuning.wal)  # checkpointed while no request waits
        self._wal_pages = 0
        self._wal_bytes = 0  # of entries
        connection.set_wal_hook(self._committed)
        self._new_rows = 0
        self._new_bytes = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self, on_outcome: Callable[[GroupOutcome], None]) -> None:
        """Start the writer's thread, which calls ``on_outcome`` with every outcome, in order."""
        self._on_outcome = on_outcome
        self._thread.start()

    def submit(self, write: Write) -> None:
        """Queue rows, to be stored after all rows that were submitted before."""
        self._queue.put(write)

    def close(self) -> None:
        """Store everything submitted, then close the file. Blocks."""
        self._queue.put(END)
        self._thread.join()
        self._retention.close()
        with suppress(apsw.Error):  # its last checkpoint may fail without harm
            self._connection.close()

    def _run(self) -> None:
        while True:
            writes, is_last = self._next_group(self._wait_seconds())
            if writes:
                self._store(writes)
            if is_last:
                return
            if not writes and (self._needs_probe or not self.healthy):
                self._probe()
            self._maintain(idle=not writes)

    def _wait_seconds(self) -> float:
        """Return how many seconds this thread may wait for writes before it has another task."""
        if self._needs_probe or not self.healthy:
            return PROBE_SECONDS
        return self._tuning.idle_seconds if self._retention_due else self._tuning.quiet_seconds

    def _next_group(self, timeout: float) -> tuple[list[Write], bool]:
        """Return the waiting writes, and whether they are the last ones."""
        writes: list[Write] = []
        size = 0
        with suppress(Empty):
            item = self._queue.get(timeout=timeout)
            while isinstance(item, Write):
                writes.append(item)
                size += item.size
                if len(writes) == self._tuning.group_writes or size >= self._tuning.group_bytes:
                    return writes, False
                item = self._queue.get_nowait()
            return writes, True
        return writes, False

    def _store(self, writes: list[Write]) -> None:
        current = [write for write in writes if write.epoch > self._failed_epoch]
        if not current:
            return
        started = time.perf_counter()
        try:
            self._insert(current)
        except Exception as error:  # noqa: BLE001 -- waiters must learn of any error
            self._fail(current, error, time.perf_counter() - started)
        else:
            self._succeed()
            self._report_recovery()
            self._on_outcome(GroupOutcome(current, None, time.perf_counter() - started))
            self._record_stored(current)

    def _insert(self, writes: Sequence[Write]) -> None:
        stored = [(*row, entry_checksum(*row)) for write in writes for row in write.rows]
        streams = {
            (write.ordinal, write.new_client) for write in writes if write.new_client is not None
        }
        stream_positions = {
            write.stream_position.stream: write.stream_position[:4]
            for write in writes
            if write.stream_position is not None
        }
        if not streams and not stream_positions and len(stored) <= self._tuning.group_writes:
            values = tuple(chain.from_iterable(stored))
            self._connection.execute(insert_statement(ADD_ENTRIES, COLUMNS, len(stored)), values)
            return
        with transaction(self._connection):
            for stream in streams:
                self._connection.execute(ADD_STREAM, stream)
            insert_rows(self._connection, ADD_ENTRIES, stored)
            for stream_position in stream_positions.values():
                self._connection.execute(
                    UPDATE_POSITION, (*stream_position, row_checksum(*stream_position))
                )

    def _record_stored(self, writes: Sequence[Write]) -> None:
        for write in writes:
            self._new_rows += len(write.rows)
            self._new_bytes += write.size
            self._wal_bytes += write.size
            if write.rows and write.ordinal not in self._retention.known:
                oldest = write.rows[0]
                self._retention.record_oldest(write.ordinal, oldest.id, oldest.recorded_at)

    def _committed(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _succeed(self) -> None:
        # the commit has overwritten the failed frames, which ends their chain of checksums
        self._needs_probe = False
        self.healthy = True

    def _report_recovery(self) -> None:
        """Log that writes are stored again. A probe proves less: it needs no additional space."""
        if self._reported_unwritable:
            self._reported_unwritable = False
            _log.warning("log_writable_again")

    def _fail(self, writes: Sequence[Write], error: Exception, seconds: float) -> None:
        self._failed_epoch = writes[-1].epoch
        damaged = self._damaged(writes) if isinstance(error, apsw.CorruptError) else ()
        if not damaged:
            self._needs_probe = True
            if not self._reported_unwritable:
                self._reported_unwritable = True
                _log.error("log_unwritable", error=str(error))
            self.healthy = False
            self._probe()
        self._on_outcome(GroupOutcome(writes, error, seconds, damaged))

    def _damaged(self, writes: Sequence[Write]) -> Collection[int]:
        """Return the ordinals of a group's streams whose end cannot be read."""
        damaged = []
        for ordinal in sorted({write.ordinal for write in writes if write.rows}):
            try:
                fetch_one(self._connection, NEWEST, (first_id(ordinal), first_id(ordinal + 1)))
            except apsw.CorruptError:
                damaged.append(ordinal)
        return damaged

    def _probe(self) -> None:
        """Commit a small change, which tests the disk and overwrites a failed group.

        The last frame of a failed group may have reached the disk without confirmation, and would
        count as a commit after a crash. This commit overwrites the group's first frame. It needs no
        additional space and, unlike a checkpoint, does not wait for readers.
        """
        with suppress(apsw.Error):
            self._connection.execute(PROBE)
            self._succeed()

    def _maintain(self, *, idle: bool) -> None:
        pages, size = self._wal_pages, self._wal_bytes
        if pages >= self._wal.due_pages or size >= self._wal.due_payload_bytes:
            self._wal_pages = self._wal_bytes = 0
            self._attempt("checkpoint", lambda: self._wal.maintain(pages, size))
        rows, bytes_ = self._tuning.retention_entries // 2, self._tuning.retention_bytes // 2
        if idle or self._new_rows >= rows or self._new_bytes >= bytes_:
            self._new_rows = self._new_bytes = 0
            self._attempt("retention", self._remove_old)

    def _remove_old(self) -> None:
        self._retention.remove_some()
        self._retention_due = self._retention.due

    def _attempt(self, task: str, run: Callable[[], object]) -> None:
        """Run a task, and log its first failure in a row. Turns without the task do not count."""
        try:
            run()
        except (apsw.Error, OSError) as error:
            self._needs_probe = True
            if task not in self._failing_tasks:
                _log.warning("log_untidy", error=str(error))
            self._failing_tasks.add(task)
        else:
            self._failing_tasks.discard(task)
