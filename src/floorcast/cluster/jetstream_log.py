"""The cluster's log: JetStream streams set the order, and every node has a copy of them.

To append, a node publishes a message and waits until it has followed the stream up to that message.
Following the stream determines an entry's number, time and duplicates, with the same result on
every node. The copy is an embedded log that also stores the position in each stream. All reads use
the copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from floorcast.cluster import log_messages
from floorcast.cluster.entry_recovery import DamagedLog, recover_from_peers, recover_from_stream
from floorcast.cluster.link import WRITE_TIMEOUT_SECONDS, NatsLink
from floorcast.cluster.log_messages import (
    MessageKind,
    split_batch,
    stream_name,
    stream_number,
    subject,
)
from floorcast.cluster.newer_events import NewerEvents
from floorcast.cluster.ordered_consumer import Message
from floorcast.cluster.publisher import NO_ROOM_MESSAGE, Published, Publisher
from floorcast.cluster.stream_follower import FollowerTuning, StreamFollower
from floorcast.log.appender import CommitObserver, InFlightLimit, Origin, PlannedAppend
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.log_file import FollowedLog, StreamPosition
from floorcast.log.port import RETENTION, Appended, Batch, Entry, Head
from floorcast.log.tuning import LogTuning
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import LoggedEvent, read_lines
from floorcast.model.loop_turns import take_turn
from floorcast.model.token import Now

__all__ = ["ClusterLogTuning", "JetStreamLog"]

SLICE_EVENTS: Final = 500  # from other nodes, decoded in one turn of the event loop

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class ClusterLogTuning:
    """The log's timeouts in seconds, its retention, and the timing of its followers and copy."""

    patience: float = WRITE_TIMEOUT_SECONDS  # for an append
    short_patience: float = 1.0  # for an append when there has been no quorum for long
    retention: int = RETENTION  # ticks
    full_pause: float = 0.02  # between two checks of a copy that is busy storing keys
    follower: FollowerTuning = field(default_factory=FollowerTuning)
    copy: LogTuning = field(default_factory=LogTuning)


class JetStreamLog:
    """See ``EventLog``. Appends are possible after ``start``, which starts following.

    ``followed_log`` names the cluster's streams and the clients whose entries this node has.
    Retention is measured from the time up to which the node has followed the streams and not from
    the clock, so a node that lags keeps its entries. ``store_halted`` returns why the key-value
    store is no longer followed, or "". Raises SettingError if the folder contains anything except a
    copy of this log.
    """

    def __init__(
        self,
        folder: DataFolder,
        link: NatsLink,
        followed_log: FollowedLog,
        now: Now,
        *,
        observer: CommitObserver | None = None,
        store_halted: Callable[[], str] = str,
        tuning: ClusterLogTuning | None = None,
    ) -> None:
        self.followed_log = followed_log
        self._store_halted = store_halted
        self.followers: list[StreamFollower] = []
        self._link = link
        self._now = now
        self._tuning = tuning or ClusterLogTuning()
        self._publisher = Publisher(
            link,
            len(followed_log.streams),
            now,
            self._tuning.patience,
            self._tuning.short_patience,
        )
        self._limit = InFlightLimit(self._tuning.copy)
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False
        self._newer = NewerEvents(folder.path)
        self._copy = EmbeddedLog(
            folder,
            self._followed_until,
            retention=self._tuning.retention,
            observer=observer,
            followed_log=followed_log,
            tuning=self._tuning.copy,
        )
        positions = self._copy.stream_positions
        self.followers = [
            StreamFollower(
                link, positions[name], followed_log.identity, wanted, self, self._tuning.follower
            )
            for number, name in enumerate(followed_log.streams)
            if (wanted := _subjects(followed_log, number))
        ]

    @property
    def identity(self) -> str:
        """See ``EventLog.identity``."""
        return self._copy.identity

    @property
    def healthy(self) -> bool:
        """Whether the copy is writable, follows its streams, and is connected to a NATS server."""
        return self._copy.healthy and self._link.connected and not self.halted

    @property
    def stall_reason(self) -> str:
        """See ``EventLog.stall_reason``."""
        if self.halted:
            return self.halted
        if not self._link.connected:
            return "no NATS server of the cluster can be reached"
        if self._publisher.full:
            return f"{NO_ROOM_MESSAGE}: events cannot be stored"
        return "" if self._link.quorum else "the NATS cluster has no quorum: no event is stored"

    async def start(self) -> None:
        """Start following, and wait until this node has all current entries of the streams.

        Raises Unavailable if the cluster does not report its state, or if the streams are not those
        of the copy. The caller may then try again.
        """
        self._publisher.start()
        for client, number in sorted(
            self._copy.entries_without_keys
        ):  # before a sender repeats them
            if (
                client,
                number,
            ) in self._copy.entries_without_keys:  # not recovered with the previous one
                await self.recover(client, number)
        requested_at = self._now()
        newest = [await follower.newest_seq() for follower in self.followers]
        if not self._tasks:
            self._tasks = [asyncio.create_task(follower.run()) for follower in self.followers]
        for follower, seq in zip(self.followers, newest, strict=True):
            await follower.wait_for(seq)
            follower.record_newest(seq, requested_at)

    async def append(self, batch: Batch) -> Appended:
        """See ``EventLog.append``. Even if an append fails, its entry may still become readable.

        Raises TooLarge if an event does not fit into a message.
        """
        number, duplicates = self.head(batch.client).number, []
        with self._limit.track(len(batch.lines), sum(map(len, batch.lines))):
            for piece in split_batch(batch, self._link.client.max_payload):
                number, indices = await self._publish("events", piece.batch, piece.payload)
                duplicates += [piece.start + index for index in indices]
        return Appended(number, duplicates or ())

    async def append_site(self, client: int, payload: bytes) -> int:
        """See ``EventLog.append_site``."""
        appended = await self._publish("site", Batch(client, (), ()), payload)
        return appended.number

    def read(self, client: int, after: int, limit: int) -> list[Entry]:
        """See ``EventLog.read``."""
        return self._copy.read(client, after, limit)

    def follow(self, client: int, after: int) -> AsyncGenerator[Entry]:
        """See ``EventLog.follow``."""
        return self._copy.follow(client, after)

    def head(self, client: int) -> Head:
        """See ``EventLog.head``."""
        return self._copy.head(client)

    def last_entry_at(self, client: int, ticks: int) -> int:
        """See ``EventLog.last_entry_at``."""
        return self._copy.last_entry_at(client, ticks)

    def recorded_at(self, client: int, number: int) -> int | None:
        """See ``EventLog.recorded_at``."""
        return self._copy.recorded_at(client, number)

    def ticks_behind(self, client: int) -> int:
        """See ``EventLog.ticks_behind``."""
        follower = self._follower(client)
        return 0 if follower is None else follower.ticks_behind(self._now())

    def lost_until(self, client: int) -> int:
        """See ``EventLog.lost_until``. A repair may not have restored everything that was lost."""
        follower = self._follower(client)
        if follower is not None and follower.complete_until > follower.restored_at:
            return follower.restored_at
        return 0

    def _follower(self, client: int) -> StreamFollower | None:
        stream = stream_name(stream_number(client, len(self.followed_log.streams)))
        return next((one for one in self.followers if one.stream == stream), None)

    def last_removed(self, client: int) -> int:
        """See ``EventLog.last_removed``."""
        return self._copy.last_removed(client)

    def last_removed_site(self, client: int) -> Entry | None:
        """See ``EventLog.last_removed_site``."""
        return self._copy.last_removed_site(client)

    def clients(self) -> list[int]:
        """See ``EventLog.clients``."""
        return self._copy.clients()

    def entry(self, client: int, number: int) -> Entry | None:
        """Return one entry, or None if it does not exist.

        Raises Unavailable if the entry cannot be read or is damaged.
        """
        found = self._copy.read(client, number - 1, 1)
        return found[0] if found and found[0].number == number else None

    async def recover(self, client: int, number: int) -> bool:
        """See ``EventLog.recover``. The entry comes from another node or else from the stream."""
        suspects = self._copy.find_suspects(client, number)
        source = DamagedLog(self.identity, len(self.followed_log.streams), self._copy.state_before)
        found = await recover_from_peers(self._link, source, suspects)
        if found is None:
            found = await recover_from_stream(self._link, source, suspects)
        if found is None:
            return False
        await self._copy.restore(found.entries)
        for entry in found.entries:
            _log.warning("entry_restored", client=client, entry=entry.number, source=found.source)
        return self.entry(client, number) is not None

    def steady_now(self) -> int:
        """See ``EventLog.steady_now``."""
        return self._copy.steady_now()

    async def close(self) -> None:
        """See ``EventLog.close``."""
        self._closed = True
        tasks, self._tasks = self._tasks, []
        await cancel_all(tasks)
        self._publisher.close()
        await self._copy.close()

    @property
    def epoch(self) -> int:
        """See ``stream_follower.LogCopy.epoch``."""
        return self._copy.epoch

    async def store(
        self, position: StreamPosition, message: Message, epoch: int
    ) -> asyncio.Future[None]:
        """See ``stream_follower.LogCopy.store``."""
        while self._copy.full:  # noqa: ASYNC110 — the disk's thread cannot set an event
            await asyncio.sleep(self._tuning.full_pause)
        origin = Origin(position.recorded_at, position, epoch)
        pending = self._publisher.published.get(message.headers.get(log_messages.ID, ""))
        planned = await self._plan(message, pending, origin)
        assert planned.durable is not None
        if pending is not None:
            planned.durable.add_done_callback(partial(_set_result, pending.result, planned))
        return planned.durable

    async def _plan(
        self, message: Message, pending: Published | None, origin: Origin
    ) -> PlannedAppend:
        client = int(message.subject.rpartition(".")[2])
        kind = message.headers.get(log_messages.KIND, "")
        if kind == "site":
            return await self._copy.copy_site(client, message.payload, origin)
        if kind != "events":  # of a newer release
            return await self._copy.copy_other(
                client, log_messages.unknown_payload(kind, message.payload), origin
            )
        batch = pending.batch if pending is not None else await self._decode(client, message)
        return await self._copy.copy(batch, origin)

    async def _decode(self, client: int, message: Message) -> Batch:
        lines = [line for line in message.payload.split(b"\n") if line and not line.isspace()]
        events: list[LoggedEvent] = []
        for start in range(0, len(lines), SLICE_EVENTS):
            if start:
                await take_turn(client)
            part = lines[start : start + SLICE_EVENTS]
            found = read_lines(b"\n".join(part))
            self._newer.record(part, found)
            events += found
        return Batch(client, lines, events)

    async def _publish(self, kind: MessageKind, batch: Batch, payload: bytes) -> Appended:
        self._check_following()
        return await self._publisher.publish(kind, batch, payload)

    def _check_following(self) -> None:
        if self._closed:
            raise Unavailable("the log is closed")
        if self.halted:
            raise Unavailable(self.halted)
        if not self._tasks:
            raise Unavailable("the cluster's log is not followed yet")

    @property
    def halted(self) -> str:
        """The reason why following has stopped, with advice; empty while it continues."""
        halted = next((follower.halted for follower in self.followers if follower.halted), "")
        return halted or self._store_halted()

    def _followed_until(self) -> int:
        """Return the time up to which this node certainly has the log. Retention uses this time."""
        followed = min((follower.complete_until for follower in self.followers), default=0)
        return min(self._now(), followed)


def _subjects(followed_log: FollowedLog, number: int) -> Sequence[str]:
    if not followed_log.clients:
        return [log_messages.subject_pattern(number)]
    count = len(followed_log.streams)
    clients = map(int, followed_log.clients.split(","))
    return [subject(client, count) for client in clients if stream_number(client, count) == number]


def _set_result(
    result: asyncio.Future[Appended], planned: PlannedAppend, durable: asyncio.Future[None]
) -> None:
    if not result.done() and not durable.cancelled() and durable.exception() is None:
        result.set_result(planned.appended)
