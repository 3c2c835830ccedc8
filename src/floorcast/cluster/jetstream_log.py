"""The cluster's log: JetStream streams give the order, and every node keeps a copy of them.

What a node appends it publishes, and then waits until it has followed the stream as far: the
entry's number, its time and which of its events are duplicates come out of following, on every
node the same. The copy is an embedded log (``sqlite``) with the position in each stream beside
its entries; all reading is reading the copy.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from floorcast.cluster import log_messages
from floorcast.cluster.link import PATIENCE, NatsLink, Refused
from floorcast.cluster.log_messages import MessageKind, cut, stream_of, subject
from floorcast.cluster.ordered_consumer import Message
from floorcast.cluster.stream_follower import Follower
from floorcast.log.appender import Load, Observe, Origin, Planned
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.log_file import Follows, StreamPosition
from floorcast.log.port import RETENTION, Appended, Batch
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import InboundEvent
from floorcast.model.tasks import ended
from floorcast.model.token import TICKS_PER_SECOND, Now

__all__ = ["JetStreamLog"]

SHORT_PATIENCE = 1.0  # seconds for an append while there has been no quorum for long
FULL = 0.02  # seconds until a copy that is busy with its keys is looked at again
CERTAIN = 2 * TICKS_PER_SECOND  # for which clocks, and replicas, of the cluster may differ
SLICE = 500  # events of another node decoded in one turn of the event loop

_line_decoder = msgspec.json.Decoder(InboundEvent)


class _Waiting(NamedTuple):
    """A message of this node on its way: its events, and who waits for what becomes of it."""

    batch: Batch
    verdict: asyncio.Future[Appended]


class JetStreamLog(EmbeddedLog):
    """See ``EventLog``. ``start`` begins to follow; until then nothing can be appended.

    ``follows`` are the cluster's streams, and the clients whose entries this node has. Entries
    stay for the whole retention behind what has been followed, however late that is. Raises
    SettingError when the folder holds something else than a copy of this log.
    """

    def __init__(
        self,
        folder: DataFolder,
        link: NatsLink,
        follows: Follows,
        now: Now,
        *,
        retention: int = RETENTION,
        observe: Observe | None = None,
    ) -> None:
        self.follows = follows
        self._link = link
        self._cluster_now = now
        self._streams_count = len(follows.streams)
        self._waiting: dict[str, _Waiting] = {}
        self._load = Load()
        self._well_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self.followers: list[Follower] = []
        super().__init__(
            folder, self._reached, retention=retention, observe=observe, follows=follows
        )
        self.followers = [
            Follower(link, name, wanted, self.stream_positions[name].seq, self, now)
            for number, name in enumerate(follows.streams)
            if (wanted := _subjects(follows, number))
        ]

    @property
    def healthy(self) -> bool:
        """Whether the copy can be written, goes on, and a server of the cluster is there."""
        gone = any(follower.gone for follower in self.followers)
        return super().healthy and self._link.connected and not gone

    @property
    def stalled(self) -> str:
        """See ``EventLog.stalled``."""
        if any(follower.gone for follower in self.followers):
            return "this node was away for too long: restart it, and it takes a copy of another one"
        if not self._link.connected:
            return "no NATS server of the cluster can be reached"
        return "" if self._link.quorum else "the NATS cluster has no quorum: events are not taken"

    async def start(self) -> None:
        """Begin to follow, and wait until this node has what the streams have at this moment.

        Raises Unavailable when the cluster does not say how much that is.
        """
        self._well_at = asyncio.get_running_loop().time()
        asked = self._cluster_now()
        newest = [await follower.newest() for follower in self.followers]
        self._tasks = [asyncio.create_task(follower.run()) for follower in self.followers]
        for follower, seq in zip(self.followers, newest, strict=True):
            await follower.reached(seq)
            follower.through = max(follower.through, asked)

    async def append(self, batch: Batch) -> Appended:
        """See ``EventLog.append``; one that failed may become readable all the same.

        Raises TooLarge when an event fits into no message.
        """
        number, duplicates = self.head(batch.client).number, []
        with self._load.carrying(len(batch.lines), sum(map(len, batch.lines))):
            for piece in cut(batch, self._link.client.max_payload):
                number, some = await self._publish("events", piece.batch, piece.payload)
                duplicates += [piece.start + index for index in some]
        return Appended(number, duplicates or ())

    async def append_site(self, client: int, payload: bytes) -> int:
        """See ``EventLog.append_site``."""
        appended = await self._publish("site", Batch(client, (), ()), payload)
        return appended.number

    def complete_until(self, client: int) -> int:
        """See ``EventLog.complete_until``."""
        stream = log_messages.stream_name(stream_of(client, self._streams_count))
        through = [each.through for each in self.followers if each.stream == stream]
        return max(through, default=0) - CERTAIN

    async def close(self) -> None:
        """See ``EventLog.close``."""
        tasks, self._tasks = self._tasks, []
        await ended(tasks)
        for waiting in self._waiting.values():
            if not waiting.verdict.done():
                waiting.verdict.set_exception(Unavailable("the log is closed"))
        await super().close()

    async def _publish(self, kind: MessageKind, batch: Batch, payload: bytes) -> Appended:
        """Have a message stored by the cluster, and followed here; what became of it."""
        if not self._tasks or all(follower.gone for follower in self.followers):
            raise Unavailable("the cluster's log is not followed yet, or no more")
        loop = asyncio.get_running_loop()
        name = uuid.uuid4().hex
        verdict = loop.create_future()
        self._waiting[name] = _Waiting(batch, verdict)
        if self._link.quorum:
            self._well_at = loop.time()
        until = max(self._well_at + PATIENCE, loop.time() + SHORT_PATIENCE)
        try:
            await self._link.publish(
                subject(batch.client, self._streams_count),
                payload,
                {log_messages.KIND: kind, log_messages.ID: name},
                until - loop.time(),
            )
            self._well_at = loop.time()
            async with asyncio.timeout(PATIENCE):
                appended: Appended = await verdict
        except TimeoutError as error:
            raise Unavailable("this node is behind the cluster's log: send this again") from error
        except Refused as error:
            raise Unavailable(f"the cluster does not take the events: {error}") from error
        finally:
            del self._waiting[name]
        return appended

    @property
    def epoch(self) -> int:
        """See ``Copy.epoch``."""
        return self._appender.epoch

    async def take(self, stream: str, message: Message, epoch: int) -> asyncio.Future[None]:
        """See ``Copy.take``."""
        while self._appender.full:  # noqa: ASYNC110 — the disk's thread has no event of the loop's
            await asyncio.sleep(FULL)
        recorded_at = int(message.headers.get(log_messages.TAKEN, message.at))
        origin = Origin(recorded_at, StreamPosition(stream, message.seq), epoch)
        copy = self._stream(message.client)
        waiting = self._waiting.get(message.headers.get(log_messages.ID, ""))
        if message.headers.get(log_messages.KIND) == "site":
            planned = await self._appender.plan_site(copy, message.payload, origin)
        else:
            batch = await _decoded(message) if waiting is None else waiting.batch
            planned = await self._appender.plan(copy, batch, origin)
        assert planned.durable is not None
        if waiting is not None:
            planned.durable.add_done_callback(partial(_tell, waiting.verdict, planned))
        return planned.durable

    def _reached(self) -> int:
        """Up to when this node has the log for certain: what an entry behind it needs is kept."""
        followed = min((follower.through for follower in self.followers), default=0)
        return min(self._cluster_now(), followed)


def _subjects(follows: Follows, number: int) -> Sequence[str]:
    if not follows.clients:
        return [log_messages.subjects(number)]
    count = len(follows.streams)
    clients = map(int, follows.clients.split(","))
    return [subject(client, count) for client in clients if stream_of(client, count) == number]


def _tell(
    verdict: asyncio.Future[Appended], planned: Planned, durable: asyncio.Future[None]
) -> None:
    if not verdict.done() and not durable.cancelled() and durable.exception() is None:
        verdict.set_result(planned.appended)


async def _decoded(message: Message) -> Batch:
    lines = message.payload.split(b"\n") if message.payload else []
    events: list[InboundEvent] = []
    for start in range(0, len(lines), SLICE):
        if start:
            await asyncio.sleep(0)
        events += map(_line_decoder.decode, lines[start : start + SLICE])
    return Batch(message.client, lines, events)
