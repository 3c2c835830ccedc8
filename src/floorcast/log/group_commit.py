"""Group commit: one thread stores whatever has come together since it last looked.

One statement a group, so that the thread gives up the interpreter's lock once and the disk is
flushed once, however many requests wait for it. Nothing is stored of a group that fails, and
nothing of what was planned on top of it (the same ``epoch``): the entry numbers in there count
on the ones that failed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from queue import Empty, SimpleQueue
from typing import NamedTuple

import apsw
import structlog

from floorcast.log.log_file import StreamPosition, ordinal_of
from floorcast.log.retention import BITE, BITE_BYTES, Retention
from floorcast.sqlite.bulk_rows import insert, statement
from floorcast.sqlite.files import transaction
from floorcast.sqlite.wal import WriteAheadLog

__all__ = ["GroupWriter", "Outcome", "Row", "Write"]

GROUP = 64  # writes in one transaction
GROUP_BYTES = 16 << 20
IDLE = 0.05  # seconds without a write after which the retention uses the time

ADD_STREAM = "INSERT OR IGNORE INTO streams (ordinal, client) VALUES (?, ?)"
MOVE_ON = "UPDATE following SET seq = ?2, taken = ?3, digest = ?4 WHERE stream = ?1"
ADD_ENTRIES = "INSERT INTO entries (id, taken, kind, count, payload)"

_log = structlog.get_logger(__name__)


class Row(NamedTuple):
    """An entry as it is stored; ``id`` packs the stream's ordinal and the entry's number."""

    id: int
    recorded_at: int
    kind: int
    events: int
    payload: bytes

    @property
    def ordinal(self) -> int:
        """Of its stream."""
        return ordinal_of(self.id)


class Write(NamedTuple):
    """Rows that are stored together; ``stream`` is (ordinal, client) of one that may be new.

    ``stream_position`` is how far a followed stream is taken in with them.
    """

    epoch: int
    rows: Sequence[Row]
    size: int
    stream: tuple[int, int] | None
    stream_position: StreamPosition | None = None


class Outcome(NamedTuple):
    """What became of a group; ``seconds`` is how long the disk took."""

    writes: Sequence[Write]
    error: Exception | None
    seconds: float


Request = Callable[[int], object]
"""Asks that all which is too old be removed; gets the number of entries."""


def _end(_: int) -> None:
    """The last request: the thread ends."""


class GroupWriter:
    """Owns the connection that writes the log, and the janitor.

    ``healthy`` is False while groups fail.
    """

    def __init__(self, connection: apsw.Connection, janitor: Retention) -> None:
        self._connection = connection
        self._janitor = janitor
        self._tell: Callable[[Outcome], None] = lambda _: None
        self._queue: SimpleQueue[Write | Request] = SimpleQueue()
        self._failed_epoch = -1
        self._unclean = False
        self.healthy = True
        self._wal = WriteAheadLog(connection)  # moved when nobody waits for it
        self._new_rows = 0
        self._new_bytes = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self, tell: Callable[[Outcome], None]) -> None:
        """Begin; ``tell`` gets every outcome, in order, on the writer's thread."""
        self._tell = tell
        self._thread.start()

    def submit(self, write: Write) -> None:
        """Have rows stored, behind all that were submitted before."""
        self._queue.put(write)

    def retain(self, done: Request) -> None:
        """Remove all that is older than the retention; ``done`` gets the number of entries."""
        self._queue.put(done)

    def close(self) -> None:
        """Store what was submitted, and close the file. Waits."""
        self._queue.put(_end)
        self._thread.join()
        self._janitor.close()
        self._connection.close()

    def _run(self) -> None:
        while True:
            writes, request = self._next_group(IDLE if self._janitor.due else None)
            if writes:
                self._store(writes)
            if request is _end:
                return
            if request is not None:
                request(self._remove_all())
            self._keep_house(idle=not writes)

    def _next_group(self, patience: float | None) -> tuple[list[Write], Request | None]:
        writes: list[Write] = []
        size = 0
        with suppress(Empty):
            item = self._queue.get(timeout=patience)
            while isinstance(item, Write):
                writes.append(item)
                size += item.size
                if len(writes) == GROUP or size >= GROUP_BYTES:
                    return writes, None
                item = self._queue.get_nowait()
            return writes, item
        return writes, None

    def _store(self, writes: list[Write]) -> None:
        live = [write for write in writes if write.epoch > self._failed_epoch]
        if not live:
            return
        begun = time.perf_counter()
        try:
            self._wipe()
            self._insert(live)
        except Exception as error:  # noqa: BLE001 -- whatever it is, who waits has to be told
            self._fail(live, error, time.perf_counter() - begun)
        else:
            if not self.healthy:
                _log.warning("log_writable_again")
            self.healthy = True
            self._tell(Outcome(live, None, time.perf_counter() - begun))
            self._count(live)

    def _insert(self, writes: Sequence[Write]) -> None:
        stored = [row for write in writes for row in write.rows]
        streams = {write.stream for write in writes if write.stream is not None}
        stream_positions = {
            write.stream_position.stream: write.stream_position[:4]
            for write in writes
            if write.stream_position is not None
        }
        if not streams and not stream_positions and len(stored) <= GROUP:
            values = tuple(chain.from_iterable(stored))
            self._connection.execute(statement(ADD_ENTRIES, len(Row._fields), len(stored)), values)
            return
        with transaction(self._connection):
            for stream in streams:
                self._connection.execute(ADD_STREAM, stream)
            insert(self._connection, ADD_ENTRIES, stored)
            for stream_position in stream_positions.values():
                self._connection.execute(MOVE_ON, stream_position)

    def _count(self, writes: Sequence[Write]) -> None:
        for write in writes:
            self._new_rows += len(write.rows)
            self._new_bytes += write.size
            for row in write.rows:
                self._janitor.note(row.ordinal, row.id, row.recorded_at)

    def _fail(self, writes: Sequence[Write], error: Exception, seconds: float) -> None:
        self._failed_epoch = writes[-1].epoch
        self._unclean = True
        if self.healthy:
            _log.error("log_unwritable", error=str(error))
        self.healthy = False
        with suppress(apsw.Error):
            self._wipe()
        self._tell(Outcome(writes, error, seconds))

    def _wipe(self) -> None:
        """Take out of the write-ahead log what a failed group left there.

        Its last frame may have got as far as the disk although it was not confirmed, and would
        then be taken for a commit after a crash.
        """
        if self._unclean:
            self._wal.empty()
            self._unclean = False

    def _keep_house(self, *, idle: bool) -> None:
        try:
            self._wal.tidy()
            grown = self._new_rows >= BITE // 2 or self._new_bytes >= BITE_BYTES // 2
            if idle or grown:
                self._new_rows = self._new_bytes = 0
                self._janitor.bite()
        except (apsw.Error, OSError) as error:
            _log.warning("log_untidy", error=str(error))

    def _remove_all(self) -> int:
        removed = 0
        with suppress(apsw.Error):
            while count := self._janitor.bite():
                removed += count
        return removed
