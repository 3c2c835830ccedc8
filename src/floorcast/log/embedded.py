"""The embedded log: SQLite files in the data folder, for one process.

``log.db`` contains the entries and is flushed before an append returns. ``keys.db`` is derived from
it. An append is checked and planned on the event loop, and stored by the writer's thread. The
outcome returns to the event loop, which publishes the entries and completes the append.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from functools import partial

import structlog

from floorcast.log.appender import Appender, CommitObserver, Origin, PlannedAppend
from floorcast.log.client_streams import NumberedStream
from floorcast.log.data_folder import DataFolder
from floorcast.log.duplicates import SeenKeys
from floorcast.log.group_commit import GroupWriter
from floorcast.log.log_file import CACHE_KIB, PAGE_BYTES, FollowedLog, StreamRow, open_log
from floorcast.log.log_reader import LogReader
from floorcast.log.port import NO_LIMIT, RETENTION, Appended, Batch, Entry, Head
from floorcast.log.restoring import (
    StateBefore,
    SuspectEntries,
    find_suspects,
    read_state_before,
    restore_entries,
)
from floorcast.log.retention import Retention, SteadyClock, kept_since
from floorcast.log.sorted_runs import SortedRuns
from floorcast.log.tuning import LogTuning
from floorcast.model.errors import DamagedEntry
from floorcast.model.loop_turns import take_turn
from floorcast.model.token import Now
from floorcast.sqlite.files import connect

__all__ = ["EmbeddedLog"]

_log = structlog.get_logger(__name__)

POLL_SECONDS = 0.02  # between checks that wait for a thread to catch up
LOAD_ENTRIES = 64  # entries read at a time when the newest keys are loaded


class EmbeddedLog:
    """See ``EventLog``. Use it on one event loop only.

    Raises SettingError if the files cannot be used. ``observer`` is called for every commit.
    ``followed_log`` identifies the log that the files are a copy of, if any.
    ``entries_without_keys`` contains the (client, number) of damaged entries whose events cannot be
    recognized as duplicates.
    """

    def __init__(
        self,
        folder: DataFolder,
        now: Now,
        *,
        retention: int = RETENTION,
        observer: CommitObserver | None = None,
        followed_log: FollowedLog | None = None,
        tuning: LogTuning | None = None,
    ) -> None:
        self._tuning = tuning = tuning or LogTuning()
        path = folder.path / "log.db"
        connection = open_log(path, followed_log)
        self._reader = LogReader(path, read_bytes=tuning.read_bytes)
        self.identity = self._reader.identity()
        found = self._reader.streams()
        self._streams = {row.client: NumberedStream(row, tuning, stored=True) for row in found}
        self._next_ordinal = max((row.ordinal for row in found), default=0) + 1
        self.stream_positions = self._reader.stream_positions()
        newest = max((row.head.recorded_at for row in found), default=0)
        self._steady_now = SteadyClock(now, newest, leap_seconds=tuning.leap_seconds)
        self._runs = SortedRuns(
            folder.path / "keys.db",
            self._steady_now,
            identity=self.identity,
            heads={row.client: row.head.number for row in found},
            retention=retention,
            tuning=tuning,
        )
        seen = SeenKeys(self._runs, retention, tuning)
        self._retention = retention
        self._reloading_keys: asyncio.Task[None] | None = None
        self._path = path
        self.entries_without_keys: set[tuple[int, int]] = set()
        self._load_keys(seen)
        retention_connection = connect(
            path, page_size=PAGE_BYTES, synchronous="FULL", cache_kib=CACHE_KIB
        )
        retention_ = Retention(retention_connection, found, self._steady_now, retention, tuning)
        self._writer = GroupWriter(connection, retention_, tuning)
        self._appender = Appender(
            self._writer, seen, now, observer, tuning, self._start_reloading_keys
        )
        self._writer.start(self._appender.report)

    @property
    def healthy(self) -> bool:
        """See ``EventLog.healthy``."""
        return self._writer.healthy

    @property
    def stall_reason(self) -> str:
        """See ``EventLog.stall_reason``."""
        return ""

    async def append(self, batch: Batch) -> Appended:
        """See ``EventLog.append``."""
        return await self._appender.append(self._stream(batch.client), batch)

    async def append_site(self, client: int, payload: bytes) -> int:
        """See ``EventLog.append_site``."""
        return await self._appender.append_site(self._stream(client), payload)

    def read(self, client: int, after: int, limit: int) -> list[Entry]:
        """See ``EventLog.read``."""
        stream = self._streams.get(client)
        return [] if stream is None else self._reader.read(stream.row(), after, limit)

    def follow(self, client: int, after: int) -> AsyncGenerator[Entry]:
        """See ``EventLog.follow``."""
        return self._stream(client).follow(after, partial(self.read, client))

    def head(self, client: int) -> Head:
        """See ``EventLog.head``."""
        stream = self._streams.get(client)
        return Head(0, 0) if stream is None else stream.head

    def last_entry_at(self, client: int, ticks: int) -> int:
        """See ``EventLog.last_entry_at``."""
        stream = self._streams.get(client)
        return 0 if stream is None else self._reader.last_entry_at(stream.row(), ticks)

    def recorded_at(self, client: int, number: int) -> int | None:
        """See ``EventLog.recorded_at``."""
        stream = self._streams.get(client)
        if stream is None or not 0 < number <= stream.head.number:
            return None
        if number == stream.head.number:  # needs no read from the disk
            return stream.head.recorded_at
        return self._reader.recorded_at(stream.ordinal, number)

    def ticks_behind(self, client: int) -> int:  # noqa: ARG002 — the port's
        """See ``EventLog.ticks_behind``. No other node writes to this log."""
        return 0

    def lost_until(self, client: int) -> int:  # noqa: ARG002 — the port's
        """See ``EventLog.lost_until``."""
        return NO_LIMIT

    def last_removed(self, client: int) -> int:
        """See ``EventLog.last_removed``."""
        stream = self._streams.get(client)
        return 0 if stream is None else self._reader.last_removed(stream.ordinal)

    def last_removed_site(self, client: int) -> Entry | None:
        """See ``EventLog.last_removed_site``."""
        stream = self._streams.get(client)
        return None if stream is None else self._reader.last_removed_site(stream.ordinal)

    def clients(self) -> list[int]:
        """See ``EventLog.clients``."""
        return sorted(client for client, stream in self._streams.items() if stream.head.number)

    @property
    def epoch(self) -> int:
        """A number that grows with every failed write, which also discards all planned writes."""
        return self._appender.epoch

    @property
    def full(self) -> bool:
        """Whether copying must wait, because too many deduplication keys are not on disk yet."""
        return self._appender.full

    async def copy(self, batch: Batch, origin: Origin) -> PlannedAppend:
        """Store a batch from the followed log. Raises Unavailable."""
        return await self._appender.plan(self._stream(batch.client), batch, origin)

    async def copy_site(self, client: int, payload: bytes, origin: Origin) -> PlannedAppend:
        """Store a site from the followed log. Raises Unavailable."""
        return await self._appender.plan_site(self._stream(client), payload, origin)

    async def copy_other(self, client: int, payload: bytes, origin: Origin) -> PlannedAppend:
        """Store an entry from the followed log that this release cannot read.

        Raises Unavailable.
        """
        return await self._appender.plan_other(self._stream(client), payload, origin)

    async def recover(self, client: int, number: int) -> bool:  # noqa: ARG002 — the port's
        """See ``EventLog.recover``."""
        return False

    def find_suspects(self, client: int, number: int) -> SuspectEntries:
        """Return a damaged entry and the damaged ones directly after it. Raises Unavailable."""
        return find_suspects(self._reader, self._stream(client).row(), number)

    async def state_before(
        self, client: int, number: int, at: int, wanted: set[bytes]
    ) -> StateBefore:
        """Return the log's state before an entry recorded at tick ``at``. Raises Unavailable."""
        row, since = self._stream(client).row(), kept_since(at, self._retention)
        return await asyncio.to_thread(read_state_before, self._path, row, number, since, wanted)

    async def restore(self, entries: Sequence[Entry]) -> None:
        """Restore consecutive entries that are damaged in this log. Raises Unavailable."""
        client, number = entries[0].client, entries[0].number
        row_id = self._stream(client).first_id + number
        await asyncio.to_thread(restore_entries, self._path, row_id, entries)
        known = {(client, entry.number) for entry in entries}
        if self.entries_without_keys & known:
            self.entries_without_keys -= known
            if not self.entries_without_keys:
                self._start_reloading_keys()

    def steady_now(self) -> int:
        """See ``EventLog.steady_now``."""
        return self._steady_now()

    async def close(self) -> None:
        """See ``EventLog.close``."""
        self._appender.close()
        if self._reloading_keys is not None:
            self._reloading_keys.cancel()
            await asyncio.gather(self._reloading_keys, return_exceptions=True)
        for stream in self._streams.values():
            stream.close()
        # the last connection to close tidies up the file, which a reader is not allowed to do
        self._reader.close()
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._runs.close)

    def _stream(self, client: int) -> NumberedStream:
        stream = self._streams.get(client)
        if stream is None:
            row = StreamRow(self._next_ordinal, client, Head(0, 0))
            self._next_ordinal += 1
            stream = self._streams[client] = NumberedStream(row, self._tuning, stored=False)
        return stream

    def _start_reloading_keys(self) -> None:
        if self._reloading_keys is None or self._reloading_keys.done():
            self._reloading_keys = asyncio.get_running_loop().create_task(self._reload_keys())

    async def _reload_keys(self) -> None:
        """Load the keys from the log again, because their file was damaged."""
        _log.warning("derived_data_remaking", file="keys.db")
        with self._appender.replace_keys() as set_keys:
            while self._appender.in_progress:  # noqa: ASYNC110 -- the disk's thread cannot set an event
                await asyncio.sleep(POLL_SECONDS)
            await self._runs.open_new_file()
            seen = SeenKeys(self._runs, self._retention, self._tuning)
            for client, stream in self._streams.items():
                after = 0
                while entries := self._read_undamaged(stream, after):
                    for entry in entries:
                        seen.load(entry)
                        while seen.full:  # noqa: ASYNC110 -- as above
                            await asyncio.sleep(POLL_SECONDS)
                        await take_turn(client)
                    after = entries[-1].number
            set_keys(seen)
        _log.warning("derived_data_remade", file="keys.db")

    def _load_keys(self, seen: SeenKeys) -> None:
        checkpoints = self._runs.checkpoints()
        for client, stream in self._streams.items():
            after = checkpoints.get(client, 0)
            while entries := self._read_undamaged(stream, after):
                for entry in entries:
                    seen.load(entry)
                    if seen.full:
                        self._runs.wait()
                after = entries[-1].number

    def _read_undamaged(self, stream: NumberedStream, after: int) -> list[Entry]:
        """Return the next undamaged entries. The keys of damaged entries remain unknown."""
        start = after
        while True:
            try:
                return self._reader.read(stream.row(), after, LOAD_ENTRIES)
            except DamagedEntry as error:
                if after == start:
                    _log.error(
                        "entry_damaged", client=error.client, entry=error.number, why=error.why
                    )
                self.entries_without_keys.add((error.client, error.number))
                after = error.number
