"""Keeps a node's copy of the key-value store up to date with its stream.

Each consumer first delivers the last message of every key, and the watch compares these messages
with the copy. If the stream has come back without data that the copy already has, the watch halts.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import aclosing
from itertools import count
from typing import Final

import nats.errors
import structlog

from floorcast.cluster.jetstream_responses import RequestRefused
from floorcast.cluster.kv_copy import INTERNAL, KeyMessage, StoreCopy
from floorcast.cluster.link import WRITE_TIMEOUT_SECONDS, NatsLink, StreamCheck
from floorcast.cluster.ordered_consumer import Message, OrderedConsumer
from floorcast.cluster.quorum import has_quorum
from floorcast.cluster.reader_lag import ReaderLag
from floorcast.cluster.streams import (
    KV_PREFIX,
    KV_STREAM,
    REPAIR,
    StreamState,
    is_stream_missing,
    parse_state,
)
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import FloorcastError, Unavailable

__all__ = ["PARTS", "StoreWatch", "subject"]

PARTS: Final = "Floorcast-Parts"  # header: the number of messages of a large value
RETRY_SECONDS: Final = 0.5  # before another consumer is created
MAX_STALLED_CHECKS: Final = (
    5  # consecutive checks without a new message, although the stream has more
)
AVOID_SECONDS: Final = 60.0  # seconds for which a server is avoided after its replica has stalled

CONSUMER: Final = {"deliver_policy": "last_per_subject", "filter_subject": f"{KV_PREFIX}.>"}

_log = structlog.stdlib.get_logger(__name__)


def subject(bucket: str, key: str, part: int = 0) -> str:
    """Return the subject of a key's messages. Dots become slashes, because NATS splits at dots."""
    tail = f".{part}" if part else ""
    return f"{KV_PREFIX}.{bucket.replace('.', '/')}.{key.replace('.', '/')}{tail}"


class StoreWatch:
    """Keeps ``copy`` equal to the stream.

    If that becomes impossible, ``halted`` is the reason, with advice; otherwise it is empty. The
    copy has all writes up to ``complete_until``, a time in ticks on the cluster's clock. ``stream``
    is the stream's state when this watch first read it.
    """

    def __init__(self, link: NatsLink, copy: StoreCopy, tombstone: int) -> None:
        self.halted = ""
        self._link = link
        self._copy = copy
        self._tombstone = tombstone
        self._lag = ReaderLag()
        self.stream: StreamState | None = None
        self._marker_subjects = (
            subject(INTERNAL, f"{secrets.token_hex(8)}-{number}") for number in count()
        )
        self._waiters: dict[asyncio.Future[None], int] = {}
        self._loaded = asyncio.Event()
        self._received = 0
        self._server = ""
        self._avoided: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def complete_until(self) -> int:
        """The tick up to which the copy has all writes."""
        return self._lag.complete_until

    async def start(self) -> None:
        """Start following the stream.

        Returns when the copy has everything that was in the stream at the time of the call, or when
        the watch has halted.
        """
        self._task = asyncio.create_task(self._run())
        self._link.watch(KV_STREAM, self._on_check)
        await self._loaded.wait()

    async def wait_for(self, seq: int) -> None:
        """Wait until the copy has message ``seq``. Raises Unavailable if this takes too long."""
        if self._copy.seq >= seq:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiters[future] = seq
        try:
            await asyncio.wait_for(future, WRITE_TIMEOUT_SECONDS)
        except TimeoutError as error:
            raise Unavailable(
                "the write has not come back to this node: it may have been stored"
            ) from error
        finally:
            del self._waiters[future]

    async def catch_up(self) -> None:
        """Wait until the copy has everything that was written before the call."""
        await self.wait_for(await self.write_marker())

    async def write_marker(self) -> int:
        """Write a message that changes no key, and return its position in the stream."""
        ack = await self._link.publish(next(self._marker_subjects), b"", {"Nats-TTL": "1m"})
        return ack.seq

    async def close(self) -> None:
        """Stop following the stream."""
        if self._task is not None:
            await cancel_all([self._task])

    async def _run(self) -> None:
        while not self.halted:
            try:
                await self._follow()
            except (FloorcastError, nats.errors.Error) as error:
                _log.debug("kv_following_again", why=str(error))
            except Exception:  # noqa: BLE001 — the copy is read again
                _log.exception("kv_following_failed")
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        now = asyncio.get_running_loop().time()
        self._avoided = {server: until for server, until in self._avoided.items() if until > now}
        consumer = OrderedConsumer(self._link, KV_STREAM, CONSUMER, frozenset(self._avoided))
        try:
            await consumer.open()
            info = await self._link.api(f"STREAM.INFO.{KV_STREAM}")
            if not has_quorum(info):
                raise Unavailable("the key-value store has no quorum")
            self._compare(parse_state(info), self._copy.seq)
            # any message that the consumer's server lacks comes before this mark
            requested_at = self._link.clock()
            mark = await self.write_marker()
            deletions_kept = (
                requested_at - max(self._copy.at, self.complete_until) < self._tombstone // 2
            )
            assembler = _WriteAssembler(self._copy, mark, deletions_kept=deletions_kept)
            self._server = consumer.server
            self._lag.consumer_started()
            self._lag.record_newest(mark, requested_at, self._received)
            async with aclosing(consumer.deliveries()) as deliveries:
                async for delivery in deliveries:
                    assembler.apply(delivery.messages)
                    if delivery.messages:
                        self._received = delivery.messages[-1].seq
                    if assembler.missing:
                        self._halt(f"the key-value store has lost {assembler.missing}: {REPAIR}")
                    if assembler.loaded:
                        self._wake_waiting()
                    self._check()
        except RequestRefused as error:
            if is_stream_missing(error):
                self._halt(f"the cluster has lost the key-value store: {REPAIR}")
            raise
        finally:
            await consumer.close()

    def _compare(self, state: StreamState, seq: int) -> None:
        """Halt if this is not the stream that the copy was made from."""
        known = self.stream
        if known is None:
            self.stream = state
        elif state.identity != known.identity:
            self._halt(f"the key-value store now belongs to another log: {REPAIR}")
        elif state.generation != known.generation:
            self._halt("the key-value store was repaired: restart this node")
        elif state.last_seq < seq:
            self._halt(
                f"the key-value store ends at message {state.last_seq}, and this node has it up "
                f"to {seq}: it has lost messages; {REPAIR}"
            )

    def _check(self) -> None:
        if self.halted:
            raise Unavailable(self.halted)
        if self._lag.stalled_checks > MAX_STALLED_CHECKS:
            self._avoided[self._server] = asyncio.get_running_loop().time() + AVOID_SECONDS
            _log.warning("replica_stands_still", stream=KV_STREAM, server=self._server)
            raise Unavailable(f"the replica on {self._server} has stalled")

    async def _on_check(self, check: StreamCheck) -> None:
        state, seq = parse_state(check.info), self._copy.seq
        if state.last_seq < seq:  # messages may have arrived since the request to the leader
            info = await self._link.api(f"STREAM.INFO.{KV_STREAM}")
            if not has_quorum(info):
                return
            state = parse_state(info)
        if not self.halted:
            self._compare(state, seq)
        self._lag.record_newest(state.last_seq, check.requested_at, self._received)
        if self._loaded.is_set():
            self._lag.record_read(self._copy.seq)

    def _halt(self, why: str) -> None:
        if self.halted:
            return
        self.halted = why
        _log.error("kv_halted", why=why)
        self._loaded.set()  # release the callers that wait for it
        for future in self._waiters:
            if not future.done():
                future.set_exception(Unavailable(why))

    def _wake_waiting(self) -> None:
        self._loaded.set()
        self._lag.record_read(self._copy.seq)
        for future, seq in self._waiters.items():
            if seq <= self._copy.seq and not future.done():
                future.set_result(None)


class _WriteAssembler:
    """Turns the messages of one consumer back into whole writes.

    Up to message ``load_to``, the consumer delivers only the last message of each key, so some
    writes are incomplete. ``loaded`` becomes True when the copy has reached ``load_to``. If the
    stream has lost a key that the copy has, ``missing`` says what was lost.
    """

    def __init__(self, copy: StoreCopy, load_to: int, *, deletions_kept: bool) -> None:
        self.loaded = False
        self.missing = ""
        self._copy = copy
        self._load_to = load_to
        self._deletions_kept = deletions_kept
        self._loading: list[KeyMessage] = []
        self._pending: list[KeyMessage] = []
        self._last = 0
        self._expected = 0
        self._is_complete = True

    def apply(self, messages: list[Message]) -> None:
        """Apply messages in order. An empty list means that the server had no more for a while."""
        for message in messages:
            if self.loaded:
                self._add(message)
            else:
                self._load(message)
        if not messages and self.loaded and self._is_complete:  # no more messages are expected
            self._expected = 0
            self._flush()

    def _load(self, message: Message) -> None:
        self._loading.append(_read(message))
        if message.seq < self._load_to:
            return
        self.missing = self._copy.find_loss(self._loading, deletions_kept=self._deletions_kept)
        if not self.missing:
            self._copy.replace_all(self._loading)
            self._last, self._loading, self.loaded = message.seq, [], True

    def _add(self, message: Message) -> None:
        gap = message.seq != self._last + 1
        self._last = message.seq
        # At a gap, the stream has replaced a message with a later one of the same key. Applying the
        # rest now would show half of a write, so wait for the later message. It is one of those
        # that are pending now. Some of them may be replaced, too, so the latest pending count is
        # also an upper limit for the number of messages to wait for.
        self._expected = message.pending if gap else min(self._expected - 1, message.pending)
        self._pending.append(_read(message))
        self._is_complete = (
            "Nats-Batch-Id" not in message.headers or "Nats-Batch-Commit" in message.headers
        )
        if self._is_complete and self._expected <= 0:
            self._flush()

    def _flush(self) -> None:
        self._copy.apply(self._pending)
        self._pending.clear()


def _read(message: Message) -> KeyMessage:
    bucket, key, *part = message.subject.removeprefix(f"{KV_PREFIX}.").split(".")
    return KeyMessage(
        bucket=bucket.replace("/", "."),
        key=key.replace("/", "."),
        value=None if message.headers.get("KV-Operation") == "DEL" else bytes(message.payload),
        seq=message.seq,
        part=int(part[0]) if part else 0,
        parts=int(message.headers.get(PARTS, "0")),
        at=message.at,
    )
