"""Follows a stream of the log, and copies it to this node message by message.

Several messages are being written to the disk at the same time. If one cannot be stored, all later
ones fail with it (see ``log/appender.py``), and following restarts at the first failed one. A node
trusts a stream only while the stream still has what the node has copied. The follower compares the
stream's identity, its last sequence number and the message at the node's position when a consumer
starts and at every check. A node that is ahead of the stream halts, because the nodes would differ
permanently if it followed the stream.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from floorcast.cluster.jetstream_responses import RequestRefused
from floorcast.cluster.link import NatsLink, StreamCheck
from floorcast.cluster.log_messages import digest, recorded_at
from floorcast.cluster.ordered_consumer import Message, OrderedConsumer
from floorcast.cluster.quorum import has_quorum
from floorcast.cluster.reader_lag import ReaderLag
from floorcast.cluster.stream_checks import Mismatch, check_position
from floorcast.cluster.stream_messages import newest_seq
from floorcast.cluster.streams import REPAIR, StreamState, is_stream_missing, parse_state
from floorcast.log.log_file import StreamPosition
from floorcast.model.errors import FloorcastError, Unavailable
from floorcast.model.token import TICKS_PER_SECOND

__all__ = ["Durable", "FollowerTuning", "LogCopy", "StreamFollower"]

QUIET_TICKS = 6 * TICKS_PER_SECOND  # a follower without a check for this long counts as behind

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class FollowerTuning:
    """The timing and limits of a follower."""

    max_in_flight: int = 64  # messages that are written into the copy at the same time
    max_in_flight_bytes: int = 4 << 20  # their payloads; decoded, they take several times as much
    pause: float = 0.2  # seconds before following restarts
    max_stalled_checks: int = (
        5  # consecutive checks without a new message, although the stream has more
    )
    recheck_seconds: float = 0.5  # seconds before a stream that seems shorter is checked again
    avoid_seconds: float = (
        60.0  # seconds for which a server is avoided after its replica has stalled
    )


class LogCopy(Protocol):
    """A node's copy of the log, for its followers."""

    @property
    def epoch(self) -> int:
        """A number that grows whenever something cannot be stored."""
        ...

    async def store(self, position: StreamPosition, message: Message, epoch: int) -> Durable:
        """Store the next message. The returned future is done when the message is stored.

        Raises Unavailable if the message cannot be stored, or if the epoch has ended, because then
        an earlier message is missing.
        """
        ...


Durable = asyncio.Future[None]


class StreamFollower:
    """Follows the given ``subjects`` of a stream, or all of them, starting after ``position``.

    ``halted`` is the reason why following has stopped, with advice. It is empty while following
    continues.
    """

    def __init__(
        self,
        link: NatsLink,
        position: StreamPosition,
        identity: str,
        subjects: Sequence[str],
        copy: LogCopy,
        tuning: FollowerTuning | None = None,
    ) -> None:
        self.position = position
        self.halted = ""
        self.restored_at = 0
        self._link = link
        self._identity = identity
        self._subjects = subjects
        self._copy = copy
        self._tuning = tuning or FollowerTuning()
        self._lag = ReaderLag()
        self._in_flight: deque[Durable] = deque()
        self._sizes: deque[int] = deque()  # of the payloads in flight, in bytes
        self._waiters: list[tuple[int, Durable]] = []
        self._received = position.seq
        self._checked_state: tuple[int, StreamState] | None = None
        self._server = ""
        self._avoid: dict[str, float] = {}

    @property
    def stream(self) -> str:
        """The stream's name."""
        return self.position.stream

    @property
    def seq(self) -> int:
        """The number of the newest message in the copy."""
        return self.position.seq

    @property
    def complete_until(self) -> int:
        """The log's time, in ticks, up to which the copy has everything that the stream stored."""
        return self._lag.complete_until

    @property
    def lag(self) -> int:
        """The largest possible number of messages that the leader has and the copy lacks."""
        return max(0, self._lag.newest_seq - self.seq, len(self._in_flight))

    def ticks_behind(self, now: int) -> int:
        """Return how many ticks the copy has been behind, or 0 if it is up to date."""
        age = max(0, now - self.complete_until)
        return age if self.lag or age > QUIET_TICKS else 0

    async def run(self) -> None:
        """Follow until the stream no longer matches the copy."""
        self._link.watch(self.stream, self._on_check)
        while not self.halted:
            try:
                await self._follow()
            except Mismatch as error:
                self._halt(error.message)
            except FloorcastError as error:
                _log.info("following_again", stream=self.stream, why=str(error))
            except Exception:  # noqa: BLE001 — following must continue after any error
                _log.exception("following_failed", stream=self.stream)
            await asyncio.gather(*self._in_flight, return_exceptions=True)
            self._in_flight.clear()
            self._sizes.clear()
            self._received = self.seq
            await asyncio.sleep(self._tuning.pause)

    async def wait_for(self, seq: int) -> None:
        """Wait until message ``seq``, or a later one, is in the copy. Raises Unavailable."""
        if self.halted:
            raise Unavailable(self.halted)
        if self.seq < seq:
            future = asyncio.get_running_loop().create_future()
            self._waiters.append((seq, future))
            await future

    async def newest_seq(self) -> int:
        """Return the subjects' newest message, according to the leader. Raises Unavailable."""
        return await newest_seq(self._link, self.stream, self._subjects)

    def record_newest(self, seq: int, requested_at: int) -> None:
        """Note that ``seq`` was the newest message at ``requested_at`` (ticks)."""
        self._lag.record_newest(seq, requested_at, self._received)
        self._lag.record_read(self.seq)

    async def _follow(self) -> None:
        epoch = self._copy.epoch
        consumer = OrderedConsumer(self._link, self.stream, self._config(), self._avoided())
        try:
            await consumer.open()
            position = self.position
            state = await self._state(position.seq)
            await check_position(self._link, state, self._identity, position)
            self._server = consumer.server
            self._lag.consumer_started()
            async with aclosing(consumer.deliveries()) as deliveries:
                async for delivery in deliveries:
                    for message in delivery.messages:
                        await self._store(message, epoch)
                    self._check(epoch)
        except RequestRefused as error:
            if is_stream_missing(error):
                why = f"the cluster has lost the stream {self.stream}: {REPAIR}"
                raise Mismatch(why) from error
            raise
        finally:
            await consumer.close()

    async def _store(self, message: Message, epoch: int) -> None:
        self._check(epoch)
        position = self.position._replace(
            seq=message.seq,
            recorded_at=recorded_at(message.headers, message.at),
            digest=digest(message.subject, message.headers, message.payload),
        )
        durable = await self._copy.store(position, message, epoch)
        self._received = message.seq
        self._in_flight.append(durable)
        self._sizes.append(len(message.payload))
        durable.add_done_callback(partial(self._on_stored, position))
        while self._has_many_in_flight():
            await self._in_flight[0]

    def _has_many_in_flight(self) -> bool:
        number = len(self._in_flight)
        if number > self._tuning.max_in_flight:
            return True
        return number > 1 and sum(self._sizes) > self._tuning.max_in_flight_bytes

    def _check(self, epoch: int) -> None:
        if self.halted:
            raise Mismatch(self.halted)
        if epoch != self._copy.epoch:
            raise Unavailable("something could not be stored")
        if self._lag.stalled_checks > self._tuning.max_stalled_checks:
            now = asyncio.get_running_loop().time()
            self._avoid[self._server] = now + self._tuning.avoid_seconds
            _log.warning(
                "replica_stands_still", stream=self.stream, server=self._server, lag=self.lag
            )
            raise Unavailable(f"the replica on {self._server} has stalled")

    def _config(self) -> dict[str, object]:
        return {
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self.seq + 1,
            "filter_subjects": self._subjects,
        }

    def _avoided(self) -> frozenset[str]:
        now = asyncio.get_running_loop().time()
        self._avoid = {server: until for server, until in self._avoid.items() if until > now}
        return frozenset(self._avoid)

    async def _state(self, known: int) -> StreamState:
        """Return the stream's state from a leader with a quorum.

        Raises Unavailable and RequestRefused.

        A replica may show a message before the leader does, so a stream that seems shorter is
        checked twice.
        """
        for _ in range(2):
            info = await self._link.api(f"STREAM.INFO.{self.stream}")
            if not has_quorum(info):
                raise Unavailable(f"{self.stream} has no quorum")
            state = parse_state(info)
            if state.last_seq >= known:
                break
            await asyncio.sleep(self._tuning.recheck_seconds)
        return state

    async def _on_check(self, check: StreamCheck) -> None:
        """Compare the copy with the stream's state at its leader."""
        if self.halted:
            return
        position, state = self.position, parse_state(check.info)
        known = position.seq
        if state.last_seq < known:  # messages may have arrived since the request to the leader
            state = await self._state(known)
        self.restored_at = state.restored_at
        if (known, state) != self._checked_state:
            try:
                await check_position(self._link, state, self._identity, position)
            except Mismatch as error:
                self._halt(error.message)
                return
            self._checked_state = known, state
        last = state.last_seq
        if self._subjects and not self._subjects[0].endswith("*") and last > known:
            last = await self.newest_seq()
        self._lag.record_newest(last, check.requested_at, self._received)
        self._lag.record_read(self.seq)

    def _halt(self, why: str) -> None:
        if self.halted:
            return
        self.halted = why
        _log.error("log_halted", stream=self.stream, why=why)
        for _, future in self._waiters:
            if not future.done():
                future.set_exception(Unavailable(why))
                future.exception()  # the caller may have given up
        self._waiters = []

    def _on_stored(self, position: StreamPosition, durable: Durable) -> None:
        if durable.cancelled() or durable.exception() is not None:
            return
        self._in_flight.popleft()
        self._sizes.popleft()
        self.position = position
        self._lag.record_read(self.seq)
        for seq, future in self._waiters:
            if seq <= self.seq and not future.done():
                future.set_result(None)
        self._waiters = [waiter for waiter in self._waiters if not waiter[1].done()]
