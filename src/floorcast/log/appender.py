"""Checks and plans appends on the event loop, and publishes what the writer has stored.

A plan builds on every plan before it. If a group fails, all appends in progress fail: none of them
is stored, their keys are withdrawn, and the next append continues from the durable state.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

import apsw

from floorcast.log.client_streams import NumberedStream, make_entries, select_new_events
from floorcast.log.duplicates import Memtable, SeenKeys, event_keys
from floorcast.log.group_commit import GroupOutcome, GroupWriter, Row, Write
from floorcast.log.log_file import KINDS, StreamPosition
from floorcast.log.port import Appended, Batch, Entry
from floorcast.log.tuning import LogTuning
from floorcast.model.errors import DamagedEntry, Unavailable
from floorcast.model.token import Now

__all__ = [
    "Appender",
    "CommitObserver",
    "InFlightLimit",
    "Origin",
    "PlannedAppend",
]


class CommitObserver(NamedTuple):
    """Callbacks for each commit: the seconds that the disk took, and the number of its events."""

    seconds: Callable[[float], None]
    events: Callable[[float], None]


class InFlightLimit:
    """Counts a log's appends in progress, and limits them."""

    def __init__(self, tuning: LogTuning) -> None:
        self._tuning = tuning
        self._events = 0
        self._bytes = 0

    @contextmanager
    def track(self, events: int, size: int) -> Iterator[None]:
        """Count an append while it is in progress. Raises Unavailable beyond the limit."""
        too_many = self._events + events > self._tuning.in_flight_events
        too_large = self._bytes + size > self._tuning.in_flight_bytes
        if self._events and (too_many or too_large):
            raise Unavailable("too many events are waiting for the log")
        self._events += events
        self._bytes += size
        try:
            yield
        finally:
            self._events -= events
            self._bytes -= size


class Origin(NamedTuple):
    """The origin of a batch from a followed stream: its time there in ticks, and its position.

    ``epoch`` is the appender's epoch at the time when following began. A batch that was followed
    before a failure is rejected after it.
    """

    at: int
    stream_position: StreamPosition
    epoch: int


class PlannedAppend(NamedTuple):
    """The result of an append. It is valid once ``durable`` is done, or at once if that is None."""

    appended: Appended
    durable: asyncio.Future[None] | None


class _PendingAppend(NamedTuple):
    """An append that is in progress."""

    stream: NumberedStream
    entries: Sequence[Entry]
    keys: Sequence[bytes]
    memtable: Memtable | None
    future: asyncio.Future[None]


class Appender:
    """Appends batches to streams. Use it on one event loop; the writer's thread calls ``report``.

    ``epoch`` grows with every failure, and everything planned in an earlier epoch is lost.
    ``on_keys_lost`` is called when the keys on disk are found to be lost.
    """

    def __init__(
        self,
        writer: GroupWriter,
        seen: SeenKeys,
        now: Now,
        observer: CommitObserver | None,
        tuning: LogTuning,
        on_keys_lost: Callable[[], None],
    ) -> None:
        self._on_keys_lost = on_keys_lost
        self._writer = writer
        self._seen = seen
        self._now = now
        self._observer = observer
        self._planning_lock = asyncio.Lock()
        self._pending: deque[_PendingAppend] = deque()
        self.epoch = 0
        self._limit = InFlightLimit(tuning)
        self._entry_events = tuning.entry_events
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._paused = False

    @property
    def full(self) -> bool:
        """Whether appends must wait: too many keys wait for the disk, or keys are being rebuilt."""
        lost = self._seen.lost
        if lost and not self._paused:
            self._on_keys_lost()
        return self._paused or lost or self._seen.full

    @property
    def in_progress(self) -> int:
        """The number of appends that are planned, but neither durable nor failed yet."""
        return len(self._pending)

    @contextmanager
    def replace_keys(self) -> Iterator[Callable[[SeenKeys], None]]:
        """Accept no appends while the block loads new keys for the yielded function."""

        def set_keys(seen: SeenKeys) -> None:
            self._seen = seen

        self._paused = True
        try:
            yield set_keys
        finally:
            self._paused = False

    async def append(self, stream: NumberedStream, batch: Batch) -> Appended:
        """See ``EventLog.append``."""
        self._check_open()
        with self._limit.track(len(batch.lines), sum(map(len, batch.lines))):
            self._check_room()
            appended, durable = await self.plan(stream, batch)
            try:
                if durable is not None:
                    await asyncio.shield(durable)
            finally:
                del durable  # its exception refers to this frame
        return appended

    async def append_site(self, stream: NumberedStream, payload: bytes) -> int:
        """See ``EventLog.append_site``."""
        self._check_open()
        self._check_room()
        appended, durable = await self.plan_site(stream, payload)
        try:
            if durable is not None:
                await asyncio.shield(durable)
        finally:
            del durable  # as in ``append``
        return appended.number

    async def plan(
        self, stream: NumberedStream, batch: Batch, origin: Origin | None = None
    ) -> PlannedAppend:
        """Queue the new events of a batch, recorded now or at the time of ``origin``.

        The origin's position is stored with the batch, even if no event is new. Raises Unavailable.
        """
        # A lookup can wait for the disk. Until it is done, no other append may look up or reserve.
        async with self._planning_lock:
            recorded_at = stream.time_of_next(self._now() if origin is None else origin.at)
            keys = event_keys(stream.client, batch.events)
            new_events = select_new_events(
                batch, keys, await self._seen.find_known(set(keys), recorded_at)
            )
            self._check_open()
            self._check_epoch(origin)
            _check_undamaged(stream)
            entries = make_entries(
                stream.client, new_events, lambda: stream.next(recorded_at), self._entry_events
            )
            appended = Appended(stream.planned.number, new_events.duplicates)
            return PlannedAppend(
                appended, self._submit_if_needed(stream, entries, new_events.keys, origin)
            )

    async def plan_site(
        self, stream: NumberedStream, payload: bytes, origin: Origin | None = None
    ) -> PlannedAppend:
        """Queue a site, unless the client already has this site."""
        async with self._planning_lock:
            self._check_open()
            self._check_epoch(origin)
            _check_undamaged(stream)
            entries = []
            if payload != stream.planned_site:
                number, recorded_at = stream.next(self._now() if origin is None else origin.at)
                entries = [Entry(stream.client, number, recorded_at, "site", 0, payload)]
                stream.planned_site = payload
            appended = Appended(stream.planned.number, ())
            return PlannedAppend(appended, self._submit_if_needed(stream, entries, (), origin))

    async def plan_other(
        self, stream: NumberedStream, payload: bytes, origin: Origin
    ) -> PlannedAppend:
        """Queue an entry that this release cannot read, without changing it."""
        async with self._planning_lock:
            self._check_open()
            self._check_epoch(origin)
            _check_undamaged(stream)
            entries = [Entry(stream.client, *stream.next(origin.at), "other", 0, payload)]
            appended = Appended(stream.planned.number, ())
            return PlannedAppend(appended, self._submit_if_needed(stream, entries, (), origin))

    def report(self, outcome: GroupOutcome) -> None:
        """Receive the outcome of a group, from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed, so no caller is left
                self._loop.call_soon_threadsafe(self._handle_outcome, outcome)

    def close(self) -> None:
        """Accept no more appends. Those in progress continue."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the log is closed")

    def _check_epoch(self, origin: Origin | None) -> None:
        if origin is not None and origin.epoch != self.epoch:
            raise Unavailable("an earlier request could not be written")

    def _check_room(self) -> None:
        if self.full:
            raise Unavailable("the keys of earlier events are not on disk yet")

    def _submit_if_needed(
        self,
        stream: NumberedStream,
        entries: Sequence[Entry],
        keys: Sequence[bytes],
        origin: Origin | None,
    ) -> asyncio.Future[None] | None:
        if entries or origin is not None:
            stream_position = None if origin is None else origin.stream_position
            return self._submit(stream, entries, keys, stream_position)
        # the originals may be in progress, and a duplicate is durable once they are
        return self._pending[-1].future if self._pending else None

    def _submit(
        self,
        stream: NumberedStream,
        entries: Sequence[Entry],
        keys: Sequence[bytes],
        stream_position: StreamPosition | None,
    ) -> asyncio.Future[None]:
        self._loop = asyncio.get_running_loop()
        future = self._loop.create_future()
        memtable = self._seen.reserve(keys, entries[-1].recorded_at) if keys else None
        self._pending.append(_PendingAppend(stream, entries, keys, memtable, future))
        start = stream.first_id
        rows = [
            Row(start + e.number, e.recorded_at, KINDS.index(e.kind), e.count, e.payload)
            for e in entries
        ]
        size = sum(len(row.payload) for row in rows)
        new_client = None if stream.stored or not rows else stream.client
        write = Write(self.epoch, stream.ordinal, rows, size, new_client, stream_position)
        self._writer.submit(write)
        return future

    def _handle_outcome(self, outcome: GroupOutcome) -> None:
        if outcome.error is not None:
            for pending in self._pending:
                pending.stream.damaged |= pending.stream.ordinal in outcome.damaged
            if outcome.writes[0].epoch == self.epoch:
                self._fail(_reason(outcome.error))
            return
        events = 0
        for _ in outcome.writes:
            pending = self._pending.popleft()
            events += self._publish(pending)
        if self._observer is not None:
            self._observer.seconds(outcome.seconds)
            self._observer.events(events)

    def _publish(self, pending: _PendingAppend) -> int:
        stream = pending.stream
        events = 0
        for entry in pending.entries:
            stream.publish(entry)
            events += entry.count
        if pending.memtable is not None:
            self._seen.confirm(pending.memtable, stream.client, stream.head.number)
        if not pending.future.done():
            pending.future.set_result(None)
        return events

    def _fail(self, why: str) -> None:
        self.epoch += 1
        for pending in self._pending:
            pending.stream.discard_planned()
            if pending.memtable is not None:
                self._seen.withdraw(pending.memtable, pending.keys)
            if not pending.future.done():
                pending.future.set_exception(Unavailable(f"the log cannot be written: {why}"))
                pending.future.exception()  # the caller may have given up
        self._pending.clear()


def _reason(error: Exception) -> str:
    """Return the reason for a failed write, for the caller."""
    return "the disk is full" if isinstance(error, apsw.FullError) else str(error)


def _check_undamaged(stream: NumberedStream) -> None:
    if stream.damaged:
        raise DamagedEntry(stream.client, stream.head.number + 1, None, "the log's end is damaged")
