"""One client's projection: it follows the log, folds every entry, and publishes to the feeds.

An entry is durable before it is folded, so readers never see anything that is not on disk. The
store receives snapshots and the calls that leave memory. The next start continues from the store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple

import msgspec
import structlog

from floorcast.feeds.blocks import Record, encode
from floorcast.feeds.feed import Feed
from floorcast.floor.call_metadata import CallMetadata, call_metadata, is_of_day
from floorcast.floor.floor import Floor
from floorcast.floor.state import (
    SNAPSHOT_VERSION,
    decode_call,
    snapshot_steps,
)
from floorcast.log.port import HOUR, Entry, EventLog
from floorcast.model.errors import FeedNotSwitchedOn, Unavailable
from floorcast.model.inbound import (
    AlertTransition,
    CallDisposition,
    CallEnd,
    CallStart,
    EmailAttempt,
    LoggedEvent,
    SmsAttempt,
    UnknownEvent,
    read_lines,
)
from floorcast.model.loop_turns import SLICE_SECONDS, take_turn
from floorcast.model.outbound import OutboundEvent
from floorcast.model.token import (
    TICKS_PER_SECOND,
    Now,
    end_of_entry,
    event_id_maker,
    position,
    to_ms,
)
from floorcast.projection.evicted_calls import EvictedCalls, reload_calls, store_evicted_calls
from floorcast.projection.initial_state import config_decoder
from floorcast.site.configuration import FeedName
from floorcast.store.projection_store import ProjectionStore
from floorcast.store.snapshots import SnapshotBlob

__all__ = ["RELOAD_EVENTS", "FoldObserver", "Projection"]

SNAPSHOT_EVENTS = 200_000  # events between snapshots: a start folds at most this many again
PAST_SNAPSHOT_EVENTS = 25_000  # events between the snapshots for answers about the past
PAST_SNAPSHOT_SECONDS = 300  # between those snapshots at least, so a busy floor is not delayed
SNAPSHOT_PAUSE = 10  # times as long as a snapshot took, before the next one due by events
MAX_SNAPSHOT_AGE_TICKS = 3600 * TICKS_PER_SECOND  # the log keeps entries for 26 hours
RELOAD_EVENTS = 256  # events whose calls are reloaded together
_FEW_EVENTS = 16  # folded without waiting for a turn of the event loop
_ENTRIES_PER_TURN = 8  # at most; the entries' sources get responses in the next turn

_TYPES_WITH_EVENT_ID = frozenset(
    {CallStart, CallEnd, CallDisposition, EmailAttempt, SmsAttempt, AlertTransition}
)

_log = structlog.stdlib.get_logger(__name__)


class FoldObserver(NamedTuple):
    """Callbacks that report how folding goes.

    ``folded`` receives the seconds that each entry took. ``failed`` is called for each event that
    failed. ``too_late`` receives the number of agent events that arrived too late to change a
    figure.
    """

    folded: Callable[[float], None]
    failed: Callable[[], None]
    too_late: Callable[[int], None] = lambda _count: None


class Projection:
    """Folds one client's stream. ``last_folded`` is the last completely folded entry."""

    def __init__(
        self,
        floor: Floor,
        log: EventLog,
        store: ProjectionStore,
        feeds: Mapping[FeedName, Feed],
        now: Now,
        observer: FoldObserver,
        token_secret: bytes = b"",
    ) -> None:
        self.writes_snapshots = True
        self.floor = floor
        self.client = floor.state.client
        self.feeds = feeds
        self.last_folded = floor.state.entry
        self._reached = end_of_entry(self.last_folded)
        self._log = log
        self._store = store
        self._now = now
        self._observer = observer
        self._token_secret = token_secret
        self._entry_lock = asyncio.Lock()
        self._snapshot_at = now()
        self._snapshot_ticks = 0  # that the last snapshot took, without other work
        self._events_since_snapshot = 0
        self._failed = False
        self._has_reported_unknown = False
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._switch_feeds()

    def feed(self, name: FeedName) -> Feed:
        """Return one of the client's feeds. Raises FeedNotSwitchedOn."""
        feed = self.feeds[name]
        if not feed.switched_on:
            raise FeedNotSwitchedOn(f"the {name} event feed is not switched on for this client")
        return feed

    async def run(self) -> None:
        """Follow the log until the task is canceled."""
        worked, entries_in_turn = 0.0, 0  # since the last turn
        async with aclosing(self._log.follow(self.client, self.last_folded)) as entries:
            async for entry in entries:
                started = time.perf_counter()
                if self._ends_an_hour(entry):
                    await self.snapshot()
                async with self._entry_lock:
                    await self._fold_entry(entry)
                del entry  # its events take several times its bytes, while this waits for the next
                if self._is_snapshot_due():
                    await self.snapshot()
                worked += time.perf_counter() - started
                entries_in_turn += 1
                if worked > SLICE_SECONDS:
                    await take_turn(self.client)
                    worked, entries_in_turn = 0.0, 0
                elif entries_in_turn == _ENTRIES_PER_TURN:
                    await asyncio.sleep(0)
                    worked, entries_in_turn = 0.0, 0

    def fail(self) -> None:
        """Fail all current and future waits, because this floor has stopped folding."""
        self._failed = True
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(_stopped())
        self._waiting = []

    async def wait_until_folded(self, number: int) -> None:
        """Wait until entry ``number`` has been folded and can be read.

        Raises Unavailable if the floor fails first.
        """
        if self.last_folded < number:
            if self._failed:
                raise _stopped()
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((number, future))
            try:
                await future
            finally:
                del future  # whose error refers to this frame

    def has_ended(self, transaction: int, session: str) -> bool:
        """Return whether a call that is not in memory is known to have ended.

        Raises Unavailable.
        """
        key = (transaction, session)
        reached = end_of_entry(self.floor.state.entry)
        found = self._store.find_calls(self.client, [key], reached).get(key)
        return found is not None and decode_call(found).ended is not None

    def find_call(self, transaction: int, session: str) -> CallMetadata | None:
        """Return a call that began today or was in progress today, from memory or the store."""
        key = (transaction, session)
        call = self.floor.call_table.calls.get(key)
        if call is None:
            # include the entry that is being folded, because the call may just have left memory
            reached = end_of_entry(self.floor.state.entry)
            found = self._store.find_calls(self.client, [key], reached)
            if key not in found:
                return None
            call = decode_call(found[key])
        calendar = self.floor.calendar
        today = calendar.day_of(to_ms(self._now()))
        if not is_of_day(call, today, calendar):
            return None
        return call_metadata(call, self.floor.state.directory)

    def evicted_calls(self, day: int, service: int) -> EvictedCalls:
        """Return the calls no longer in memory that count at a service on a day, as of now."""
        return EvictedCalls(self._store, self.client, (day, service), self._reached)

    async def snapshot_if_due(self) -> None:
        """Take a snapshot if one is due, even if the floor is quiet.

        The log removes old entries. Facts that only those entries contain (names, ids, the counts
        of an agent's events) must be in a snapshot long before then. And after a burst of events,
        a start and each answer about the past would fold the whole burst again.
        """
        is_old = self._waited_for(MAX_SNAPSHOT_AGE_TICKS) and self._events_since_snapshot
        if is_old or self._is_snapshot_due():
            await self.snapshot()

    async def snapshot(self) -> None:
        """Write a snapshot of the whole floor to the store, in several turns of the event loop.

        No snapshot is written if the floor was stopped in the middle of an entry, because a start
        from that snapshot would miss the rest of the entry.
        """
        async with self._entry_lock:
            if self.floor.state.entry == self.last_folded:
                await self._snapshot()

    def _ends_an_hour(self, following: Entry) -> bool:
        """Return whether an entry is the first of an hour, so that a snapshot is needed before it.

        The log removes entries by whole hours, so a snapshot between two hours can be exactly the
        floor before the oldest entry.
        """
        if not (self.writes_snapshots and self._events_since_snapshot):
            return False
        return following.recorded_at // HOUR != self.floor.state.recorded_at // HOUR

    def _is_snapshot_due(self) -> bool:
        since = self._events_since_snapshot
        if since < PAST_SNAPSHOT_EVENTS or not self.writes_snapshots:
            return False
        waited = self._waited_for(PAST_SNAPSHOT_SECONDS * TICKS_PER_SECOND)
        if since < SNAPSHOT_EVENTS:
            return waited
        # otherwise, a flood of events on a large floor would spend a quarter of its time on them
        return self._waited_for(SNAPSHOT_PAUSE * self._snapshot_ticks)

    def _waited_for(self, ticks: int) -> bool:
        """Return whether the last snapshot is this old, or the clock was set back since then."""
        return not 0 <= self._now() - self._snapshot_at < ticks

    async def _snapshot(self) -> None:
        self._events_since_snapshot = 0
        self._snapshot_at = self._now()
        blob = SnapshotBlob()
        taken, started = 0.0, time.perf_counter()
        for part in snapshot_steps(self.floor.snapshot_state()):
            if part is not None:
                blob.add(part)
            worked = time.perf_counter() - started
            if worked > SLICE_SECONDS:
                taken += worked
                await take_turn(self.client)
                started = time.perf_counter()
        self._snapshot_ticks = int((taken + time.perf_counter() - started) * TICKS_PER_SECOND)
        # The feeds' events must be stored first, because entries before a snapshot are not folded
        # again.
        for feed in self.feeds.values():
            feed.seal()
        kept_from = self._log.last_removed(self.client)
        self._store.write_snapshot(
            self.client, self.last_folded, SNAPSHOT_VERSION, blob.content, kept_from
        )
        _log.debug("snapshot", client=self.client, entry=self.last_folded, bytes=len(blob.content))

    async def _fold_entry(self, entry: Entry) -> None:
        floor, started = self.floor, time.perf_counter()
        floor.folded.now = to_ms(self._now())
        await self._begin_entry(entry)
        if entry.kind == "site":
            await self._apply_site(entry)
            self._publish({}, end_of_entry(entry.number), entry.recorded_at)
        elif entry.kind == "events":
            await self._fold_events(entry)
        else:
            self._report_unknown(entry)
            self._publish({}, end_of_entry(entry.number), entry.recorded_at)
        self.last_folded = entry.number
        self._events_since_snapshot += max(entry.count, 1)
        self._observer.folded(time.perf_counter() - started)
        if floor.too_late:
            self._observer.too_late(floor.too_late)
            floor.too_late = 0
        if self._waiting:
            self._wake()

    async def _begin_entry(self, entry: Entry) -> None:
        """Begin an entry, and store the calls that leave memory, in turns of the event loop."""
        await self._in_turns(self._beginning(entry))

    def _beginning(self, entry: Entry) -> Iterator[None]:
        floor = self.floor
        for _ in floor.begin_entry_in_steps(entry.number, entry.recorded_at):
            if floor.call_table.evicted:
                store_evicted_calls(floor, self._store, entry.number)
            yield

    async def _in_turns(self, steps: Iterator[None]) -> None:
        """Take the steps in turns of the event loop."""
        deadline = time.perf_counter() + SLICE_SECONDS
        for _ in steps:
            if time.perf_counter() > deadline:
                await take_turn(self.client)
                deadline = time.perf_counter() + SLICE_SECONDS

    async def _apply_site(self, entry: Entry) -> None:
        try:
            config = config_decoder.decode(entry.payload)
        except msgspec.MsgspecError:  # a newer release wrote it: keep the previous configuration
            self._report_unknown(entry)
            return
        await self._in_turns(self.floor.apply_in_steps(config))
        self._switch_feeds()

    def _report_unknown(self, entry: Entry) -> None:
        """Report once that the log has events that this release cannot read."""
        if not self._has_reported_unknown:
            self._has_reported_unknown = True
            _log.warning(
                "unknown_events_kept",
                client=self.client,
                entry=entry.number,
                hint="written by a newer release; they are read after an upgrade",
            )

    def _switch_feeds(self) -> None:
        on = (*self.floor.state.config.feeds, "alerts")
        self._switched_on = frozenset(name for name in self.feeds if name in on)
        for name, feed in self.feeds.items():
            feed.switched_on = name in on

    async def _fold_events(self, entry: Entry) -> None:
        events = entry.events
        if events is None:
            events = read_lines(entry.payload)
        self.floor.note_source_events(events)
        if len(events) > _FEW_EVENTS:
            await take_turn(self.client)
        deadline = time.perf_counter() + SLICE_SECONDS
        done, reloaded_until, count = 0, 0, len(events)
        while done < count:
            if done == reloaded_until:  # no call leaves memory before the next entry begins
                reloaded_until = min(done + RELOAD_EVENTS, count)
                self._reload_calls(events[done:reloaded_until], entry, done)
            records, folded = self._fold(events[done:reloaded_until], entry, done, deadline)
            done += folded
            if done == count:
                self._add_log_offs(records, position(entry.number, count))
            last = position(entry.number, done - 1)
            through = end_of_entry(entry.number) if done == count else last
            self._publish(records, through, entry.recorded_at)
            if done < count and time.perf_counter() > deadline:
                await take_turn(self.client)
                deadline = time.perf_counter() + SLICE_SECONDS

    def _fold(
        self, events: Sequence[LoggedEvent], entry: Entry, start: int, deadline: float
    ) -> tuple[dict[str, list[Record]], int]:
        """Fold events until the deadline.

        Returns the events to publish and the number of events folded.
        """
        fold, recorded_at = self.floor.fold, entry.recorded_at
        switched_on = self._switched_on
        event_id = event_id_maker(self.client, recorded_at, entry.number, self._token_secret)
        first = position(entry.number, 0)
        records: dict[str, list[Record]] = {name: [] for name in self.feeds}
        for index, event in enumerate(events, start):
            if index > start and time.perf_counter() > deadline:
                return records, index - start
            if isinstance(event, UnknownEvent):
                self._report_unknown(entry)
                continue
            try:
                outbound: OutboundEvent | None = fold(
                    event,
                    recorded_at,
                    event_id(index) if type(event) in _TYPES_WITH_EVENT_ID else "",
                )
            except Exception:  # noqa: BLE001 — no input may stop the log from being folded
                # this is a bug: log and count it, and continue with the other events
                self._observer.failed()
                _log.exception("fold_failed", client=self.client, entry=entry.number, index=index)
                continue
            if outbound is not None and outbound.feed in switched_on:
                facets = (outbound.kind, outbound.service, outbound.call_center)
                records[outbound.feed].append((first + index, facets, encode(outbound.event)))
        return records, len(events)

    def _add_log_offs(self, records: dict[str, list[Record]], first: int) -> None:
        """Add the log-offs that the entry caused, at the positions after its own events."""
        for place, one in enumerate(self.floor.log_offs, first):
            if one.feed in self._switched_on:
                facets = (one.kind, one.service, one.call_center)
                records[one.feed].append((place, facets, encode(one.event)))

    def _publish(self, records: Mapping[str, list[Record]], through: int, ticks: int) -> None:
        self._reached = through
        for name, feed in self.feeds.items():
            feed.publish(records.get(name, ()), through, ticks)

    def _reload_calls(self, events: Sequence[LoggedEvent], entry: Entry, index: int) -> None:
        unknown_calls = self.floor.unloaded_calls(events)
        if unknown_calls:
            reload_calls(self.floor, self._store, unknown_calls, entry.number, index)

    def _wake(self) -> None:
        remaining = []
        for number, future in self._waiting:
            if future.done():  # the waiter has given up
                continue
            if number > self.last_folded:
                remaining.append((number, future))
            else:
                future.set_result(None)
        self._waiting = remaining


def _stopped() -> Unavailable:
    return Unavailable("the floor is being restarted: send this again")
