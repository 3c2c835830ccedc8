"""The keys of accepted events on disk: sorted runs in ``keys.db``, in one B-tree.

A run has tens of thousands of keys, which are written in key order after the previous run. The file
therefore grows only at its end, and no page is written twice. Runs of the same hour are merged in
the background, which keeps lookups short. A run older than the retention is dropped as a whole, and
its pages are freed a few at a time.

The file is derived from the log. It is rebuilt if it is damaged or does not match the log.
"""

from __future__ import annotations

import asyncio
from array import array
from asyncio import get_running_loop
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import apsw
import structlog

from floorcast.log import compaction
from floorcast.log.port import HOUR
from floorcast.log.retention import kept_since
from floorcast.log.tuning import LogTuning
from floorcast.model.errors import Unavailable
from floorcast.model.token import Now
from floorcast.sqlite import derived_files
from floorcast.sqlite.background_writer import DAMAGED, BackgroundWriter
from floorcast.sqlite.bulk_rows import blob_array
from floorcast.sqlite.checksums import checksum, checksum_schema
from floorcast.sqlite.derived_files import Layout, open_derived, record_progress
from floorcast.sqlite.files import errors_as_unavailable, fetch, fetch_one, open_reader, remove

__all__ = ["SortedRun", "SortedRuns"]

PAGE_BYTES = 4096  # looking up one key reads one page of a run
KEY_BYTES = 100  # approximate additional memory per waiting key
FINGERPRINT_SLICE = 8192  # keys per slice, so that other threads get their turn

FIND_KEYS = """
SELECT k.value FROM carray(?1) AS k WHERE (
    SELECT runs.id FROM runs CROSS JOIN keys ON keys.run = runs.id AND keys.key = k.value
    WHERE runs.hour >= ?2 ORDER BY runs.id DESC LIMIT 1
) IS NOT NULL
"""
MEMTABLE_RANGE = "SELECT coalesce(min(first_wave), 0), coalesce(max(last_wave), 0) FROM runs"
ADD_KEYS = "INSERT INTO keys SELECT ?, value FROM carray(?) ORDER BY value"
ADD_RUN = "INSERT INTO runs VALUES (?, 0, ?, ?, ?)"
LAYOUT = Layout(
    compaction.SCHEMA,
    PAGE_BYTES,
    (compaction.CHECKSUMS, derived_files.CHECKS + checksum_schema(*compaction.CHECKSUMMED_TABLES)),
)

_log = structlog.get_logger(__name__)


class SortedRun(NamedTuple):
    """The keys of memtable number ``memtable``, to be stored. All were recorded in ``hour``.

    ``size`` is the size of all keys in bytes. ``checkpoints`` maps each client to the last entry
    whose keys are all in this memtable or in earlier ones.
    """

    memtable: int
    keys: Collection[bytes]
    size: int
    checkpoints: Mapping[int, int]
    hour: int


class SortedRuns:
    """The runs of one log.

    ``identity`` is the log's identity, and ``heads`` contains its newest entries by client.
    ``lost`` is True if the file was found damaged or was replaced, so that its keys are missing.

    Use this object only on the event loop's thread. The background writer's jobs run on another
    thread.
    """

    def __init__(
        self,
        path: Path,
        steady_now: Now,
        *,
        identity: str,
        heads: Mapping[int, int],
        retention: int,
        tuning: LogTuning,
    ) -> None:
        self._now = steady_now
        self._tuning = tuning
        self._retention = retention
        self._path = path
        self._identity = identity
        connection = open_derived(
            path, LAYOUT, cache_kib=tuning.keys_cache_kib, identity=identity, heads=heads
        )
        try:
            self._unverified = sorted(compaction.read_fingerprints(connection))
            fetch(connection, compaction.RUNS)
            compaction.abandon_merge(connection)
        except DAMAGED as error:
            _log.error("derived_data_damaged", file=path.name, why=str(error))
            connection.close()
            connection = self._new_file()
            self._unverified = []
        self.lost, self._replacements = False, 0
        self._reader = open_reader(path, cache_kib=tuning.keys_cache_kib)
        self._pool_reader = open_reader(path, cache_kib=tuning.keys_cache_kib)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keys")
        self._runs = self._count()
        self._writer = BackgroundWriter(
            connection,
            "keys.db",
            tidy=self._tidy,
            create_file=self._new_file,
            retry_seconds=tuning.retry_seconds,
        )

    @property
    def backlog(self) -> int:
        """The bytes of keys that are waiting in memory to be stored."""
        self._writer.run_callbacks()
        return self._writer.backlog

    async def open_new_file(self) -> None:
        """Wait until a new file without keys has replaced the lost one."""
        while not await asyncio.to_thread(self._writer.wait):
            pass  # the disk fails, and nothing can be stored until it works
        self._writer.run_callbacks()
        self.lost, self._replacements = False, self._writer.replacements
        self._reader.close()
        self._pool_reader.close()
        self._reader = open_reader(self._path, cache_kib=self._tuning.keys_cache_kib)
        self._pool_reader = open_reader(self._path, cache_kib=self._tuning.keys_cache_kib)
        self._runs = self._count()

    def checkpoints(self) -> dict[int, int]:
        """Return, by client, the entry up to which all keys are stored."""
        return dict(fetch(self._reader, "SELECT client, entry FROM reached"))

    def memtable_range(self) -> tuple[int, int]:
        """Return the numbers of the oldest and newest memtable in the runs, or (0, 0) for none."""
        first, last = fetch_one(self._reader, MEMTABLE_RANGE)
        return first, last

    def fingerprints(self) -> Iterator[array[int]]:
        """Yield the fingerprints of all stored keys, for the Bloom filter."""
        for packed in compaction.read_fingerprints(self._reader).values():
            yield array("I", packed)

    def write(self, run: SortedRun, on_stored: Callable[[], None]) -> None:
        """Store a memtable as a run. ``on_stored`` is called once its keys can be found here."""

        def run_stored() -> None:
            self._runs = self._count()
            on_stored()

        size = run.size + KEY_BYTES * len(run.keys)
        self._writer.submit(size, lambda connection: _store_run(connection, run), run_stored)

    async def find_known(self, keys: Sequence[bytes], since: int) -> list[bytes]:
        """Return the given keys that are in a run of the hour ``since`` or a later one.

        Raises Unavailable.
        """
        if self.lost:
            raise Unavailable("the keys of events are being rebuilt")
        if not keys or not self._runs:
            return []
        try:
            return await self._find(keys, since)
        except DAMAGED as error:
            self.lost = True
            self._writer.request_replacement(self._replacements)
            raise Unavailable("the keys of events are being rebuilt") from error

    async def _find(self, keys: Sequence[bytes], since: int) -> list[bytes]:
        if len(keys) * self._runs <= self._tuning.inline_lookups:
            return _find(self._reader, keys, since)
        return await get_running_loop().run_in_executor(
            self._pool, _find, self._pool_reader, keys, since
        )

    def wait(self) -> bool:
        """Wait until everything submitted is stored. Returns False if the disk failed."""
        is_stored = self._writer.wait()
        self._writer.run_callbacks()
        return is_stored

    def close(self) -> None:
        """Store everything submitted, then close the file. Blocks."""
        self._pool.shutdown()
        self._reader.close()
        self._pool_reader.close()
        self._writer.close()

    def _count(self) -> int:
        return int(self._reader.execute("SELECT count(*) FROM runs").get)

    def _tidy(self, connection: apsw.Connection) -> bool:
        if self._unverified:  # a merge would hide a damaged key
            run = self._unverified.pop()
            if not compaction.is_undamaged(connection, run, self._tuning.merge_keys):
                raise apsw.CorruptError(f"the keys of run {run} are damaged")
            return True
        expired_before = kept_since(self._now(), self._retention) // HOUR
        return compaction.step(connection, expired_before, self._tuning)

    def _new_file(self) -> apsw.Connection:
        remove(self._path)
        connection = open_derived(
            self._path,
            LAYOUT,
            cache_kib=self._tuning.keys_cache_kib,
            identity=self._identity,
            heads={},
        )
        self.lost = True
        return connection


def _find(connection: apsw.Connection, keys: Sequence[bytes], since: int) -> list[bytes]:
    with errors_as_unavailable(*DAMAGED):
        return [key for (key,) in fetch(connection, FIND_KEYS, (blob_array(keys), since))]


def _store_run(connection: apsw.Connection, run: SortedRun) -> None:
    number = connection.execute(compaction.NEXT_RUN).get
    keys = tuple(run.keys)
    fingerprints = array("I")
    for start in range(0, len(keys), FINGERPRINT_SLICE):
        fingerprints.extend(map(compaction.fingerprint, keys[start : start + FINGERPRINT_SLICE]))
    connection.execute(ADD_KEYS, (number, blob_array(keys)))
    connection.execute(ADD_RUN, (number, run.memtable, run.memtable, run.hour))
    packed = fingerprints.tobytes()
    connection.execute(compaction.ADD_FINGERPRINTS, (number, packed, checksum(packed, number)))
    for client, entry in run.checkpoints.items():
        record_progress(connection, client, entry)
