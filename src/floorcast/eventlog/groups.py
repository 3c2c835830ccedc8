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

from floorcast.eventlog.files import transaction
from floorcast.eventlog.janitor import BITE, Janitor
from floorcast.eventlog.logfile import ordinal_of
from floorcast.eventlog.rows import insert, statement

__all__ = ["GroupWriter", "Outcome", "Row", "Write"]

GROUP = 64  # writes in one transaction
GROUP_BYTES = 16 << 20
CHECKPOINT_BYTES = 16 << 20  # written between two moves from the write-ahead log to the file

ADD_STREAM = "INSERT OR IGNORE INTO streams (ordinal, client) VALUES (?, ?)"
ADD_ENTRIES = "INSERT INTO entries (id, taken, kind, count, payload)"

_log = structlog.get_logger(__name__)


class Row(NamedTuple):
    """An entry as it is stored; ``id`` packs the stream's ordinal and the entry's number."""

    id: int
    taken: int
    kind: int
    events: int
    payload: bytes

    @property
    def ordinal(self) -> int:
        """Of its stream."""
        return ordinal_of(self.id)


class Write(NamedTuple):
    """Rows that are stored together; ``stream`` is (ordinal, client) of one that may be new."""

    epoch: int
    rows: Sequence[Row]
    size: int
    stream: tuple[int, int] | None


class Outcome(NamedTuple):
    """What became of a group; ``seconds`` is how long the disk took."""

    writes: Sequence[Write]
    error: Exception | None
    seconds: float


class GroupWriter:
    """Owns the connection that writes the log, and the janitor."""

    def __init__(self, connection: apsw.Connection, janitor: Janitor) -> None:
        self._connection = connection
        self._janitor = janitor
        self._tell: Callable[[Outcome], None] = lambda _: None
        self._queue: SimpleQueue[Write | Callable[[int], object] | None] = SimpleQueue()
        self._failed_epoch = -1
        self._unclean = False
        self._healthy = True
        self._unmoved = 0
        self._unbitten = 0
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # done when nobody waits for it
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    def start(self, tell: Callable[[Outcome], None]) -> None:
        """Begin; ``tell`` gets every outcome, in order, on the writer's thread."""
        self._tell = tell
        self._thread.start()

    def submit(self, write: Write) -> None:
        """Have rows stored, behind all that were submitted before."""
        self._queue.put(write)

    def retain(self, done: Callable[[int], object]) -> None:
        """Remove all that is older than the retention; ``done`` gets the number of entries."""
        self._queue.put(done)

    def close(self) -> None:
        """Store what was submitted, and close the file. Waits."""
        self._queue.put(None)
        self._thread.join()
        self._janitor.close()
        self._connection.close()

    def _run(self) -> None:
        while True:
            writes, other = self._next_group()
            if writes:
                self._store(writes)
            if other is not None:
                other(self._remove_all())
            elif not writes:
                return
            self._keep_house()

    def _next_group(self) -> tuple[list[Write], Callable[[int], object] | None]:
        writes: list[Write] = []
        size = 0
        item = self._queue.get()
        try:
            while isinstance(item, Write):
                writes.append(item)
                size += item.size
                if len(writes) == GROUP or size >= GROUP_BYTES:
                    return writes, None
                item = self._queue.get_nowait()
        except Empty:
            return writes, None
        if item is None and writes:
            self._queue.put(None)  # the end comes once these are stored
        return writes, item

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
            self._healthy = True
            self._tell(Outcome(live, None, time.perf_counter() - begun))
            self._count(live)

    def _insert(self, writes: Sequence[Write]) -> None:
        stored = [row for write in writes for row in write.rows]
        streams = {write.stream for write in writes if write.stream is not None}
        if not streams and len(stored) <= GROUP:
            values = tuple(chain.from_iterable(stored))
            self._connection.execute(statement(ADD_ENTRIES, len(Row._fields), len(stored)), values)
            return
        with transaction(self._connection):
            for stream in streams:
                self._connection.execute(ADD_STREAM, stream)
            insert(self._connection, ADD_ENTRIES, stored)

    def _count(self, writes: Sequence[Write]) -> None:
        for write in writes:
            self._unmoved += write.size
            self._unbitten += len(write.rows)
            for row in write.rows:
                self._janitor.note(row.ordinal, row.id, row.taken)

    def _fail(self, writes: Sequence[Write], error: Exception, seconds: float) -> None:
        self._failed_epoch = writes[-1].epoch
        self._unclean = True
        if self._healthy:
            _log.error("the log cannot be written", error=str(error))
        self._healthy = False
        with suppress(apsw.Error):
            self._wipe()
        self._tell(Outcome(writes, error, seconds))

    def _wipe(self) -> None:
        """Take out of the write-ahead log what a failed group left there.

        Its last frame may have got as far as the disk although it was not confirmed, and would
        then be taken for a commit after a crash.
        """
        if self._unclean:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._unclean = False
            self._unmoved = 0

    def _keep_house(self) -> None:
        try:
            if self._unmoved >= CHECKPOINT_BYTES:
                self._unmoved = 0
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if self._unbitten >= BITE // 2:
                self._unbitten = 0
                self._janitor.bite()
            while self._queue.empty() and self._janitor.bite():
                pass
        except apsw.Error as error:
            _log.warning("the log cannot be tidied", error=str(error))

    def _remove_all(self) -> int:
        removed = 0
        with suppress(apsw.Error):
            while count := self._janitor.bite():
                removed += count
        return removed
