"""A key-value store in a JetStream stream, shared by every node of a cluster.

The stream keeps only the last message for each key. A node reads from its own copy, which follows
the stream, and writes with JetStream's atomic batches. A batch stores all messages of a write, or
none of them if a condition on a key's last sequence number fails. A write returns when the node's
own copy has it. A write with more keys than fit into a batch becomes several atomic batches, which
are stored in order.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from msgspec import Struct

from floorcast.cluster.jetstream_responses import RequestRefused
from floorcast.cluster.kv_batches import BatchEncoder, KvKey, KvMessage, split_write
from floorcast.cluster.kv_copy import KeyState, Observer, StoreCopy
from floorcast.cluster.kv_watch import StoreWatch
from floorcast.cluster.link import WRITE_TIMEOUT_SECONDS, NatsLink
from floorcast.cluster.log_messages import stream_name
from floorcast.cluster.streams import (
    KV_STREAM,
    REPAIR,
    create_stream,
    find_stream,
    kv_config,
    new_identity,
)
from floorcast.kv.port import Conflict, Item, Listener, validate_items
from floorcast.model.errors import SettingError, Unavailable
from floorcast.model.token import TICKS_PER_SECOND

__all__ = ["JetStreamKeyValueStore", "KvTuning", "LostKeys", "SavedPosition", "StoredValues"]

BATCH_MESSAGES: Final = 1000  # the most that a server accepts in a batch
MAX_CONCURRENT_BATCHES: Final = 16  # per node; a server accepts 50
TOMBSTONE_SECONDS: Final = (
    3600  # seconds for which a deletion is kept, so that lagging watches see it
)
REMOVAL_DELAY_SECONDS: Final = 2  # the stream may remove a deletion this much later
RESEND_SECONDS: Final = 0.1  # before a lost batch is sent again

# JetStream's own codes
INCOMPLETE, DUPLICATE = 10176, 10201
WRONG_SEQUENCE: Final = frozenset({10071, 10164})


class SavedPosition(Struct):
    """A position in the stream: its log, generation, last message, and time in ticks."""

    identity: str
    generation: str
    seq: int
    at: int


class StoredValues(NamedTuple):
    """The values of the keys, by (bucket, key), at the tick ``at``."""

    keys: Mapping[KvKey, KeyState]
    at: int


@dataclass(frozen=True)
class KvTuning:
    """The timeouts of the store, in seconds."""

    patience: float = WRITE_TIMEOUT_SECONDS  # for a write
    max_unconfirmed: float = 30.0  # after which possibly outdated data no longer authorizes users
    tombstone: int = TOMBSTONE_SECONDS


class LostKeys(SettingError):
    """The stream has lost keys that the folder has."""


class JetStreamKeyValueStore:
    """One node's view of a cluster's key-value store. ``close`` leaves the link open."""

    def __init__(self, link: NatsLink, tuning: KvTuning | None = None) -> None:
        self._link = link
        self._tuning = tuning or KvTuning()
        self._copy = StoreCopy()
        self._watch = StoreWatch(link, self._copy, self._tuning.tombstone * TICKS_PER_SECOND)
        self._batch_slots = asyncio.Semaphore(MAX_CONCURRENT_BATCHES)
        self._batches = BatchEncoder(self._copy, self._tuning.tombstone)
        self._closed = False

    @classmethod
    async def open(
        cls,
        link: NatsLink,
        replicas: int,
        *,
        create_missing: bool = True,
        known: StoredValues | None = None,
        tuning: KvTuning | None = None,
    ) -> Self:
        """Open the store and read its stream.

        If ``create_missing`` is True, and neither the stream nor a log exists, the stream is
        created. ``known`` contains earlier values of the keys. Raises LostKeys if the stream has
        lost some of them, SettingError if the stream does not exist or the servers are too old, and
        Unavailable if the servers have no quorum.
        """
        found = await find_stream(link, KV_STREAM)
        if found is None and create_missing and await find_stream(link, stream_name(0)) is not None:
            raise SettingError(f"log: the cluster has lost its key-value store: {REPAIR}")
        if found is None and create_missing:
            found = await create_stream(link, kv_config(replicas, new_identity()))
        if found is None:
            raise SettingError("the cluster has no site yet: floorcast site apply FILE")
        if not found["config"].get("allow_atomic"):
            raise SettingError("log: the cluster needs nats-server 2.12 or later")
        kv = cls(link, tuning)
        if known is not None:
            kv._copy.load(known.keys, known.at)
        try:
            await asyncio.wait_for(kv._watch.start(), WRITE_TIMEOUT_SECONDS)
        except TimeoutError as error:
            await kv.close()
            raise Unavailable("the cluster's key-value store cannot be read") from error
        if kv.halted:
            await kv.close()
            raise LostKeys(f"log: {kv.halted}")
        return kv

    def get(self, bucket: str, key: str) -> bytes | None:
        """Return the value of the key, or None."""
        return self._open().key_state(bucket, key).value

    def items(self, bucket: str) -> dict[str, bytes]:
        """Return a copy of the bucket's values, by key."""
        return self._open().items(bucket)

    def version(self, bucket: str) -> int:
        """Return a number that changes whenever any node writes to the bucket."""
        return self._open().version(bucket)

    def listen(self, bucket: str, listener: Listener) -> None:
        """Call ``listener`` for each change that any node makes to the bucket."""
        self._copy.listen(bucket, listener)

    async def write(self, items: Iterable[Item], expected: Iterable[Item] = ()) -> None:
        """Put or delete all of ``items``, or raise Conflict (see the port)."""
        changes, expected = validate_items(items), validate_items(expected)
        if self.halted:
            raise Unavailable(self.halted)
        if not self._open().holds(expected):
            raise Conflict("the key-value store has changed since it was read")
        if not changes:
            return
        for changed, conditions in split_write(changes, expected):
            async with self._batch_slots:
                await self._write_batch(changed, conditions)

    def check_current(self) -> None:
        """See ``KeyValueStore.check_current``."""
        if self._watch.halted:
            raise Unavailable(self._watch.halted)
        age = self._link.clock() - self._watch.complete_until
        if age > self._tuning.max_unconfirmed * TICKS_PER_SECOND:
            raise Unavailable(
                "this node has not reached the cluster's quorum for "
                f"{self._tuning.max_unconfirmed:.0f} s: users and keys cannot be checked"
            )

    @property
    def halted(self) -> str:
        """The reason why following has stopped, with advice; empty while it continues."""
        return self._watch.halted

    def buckets(self) -> list[str]:
        """Return the buckets that have or had keys."""
        return self._copy.buckets()

    def written_at(self, bucket: str, key: str) -> int:
        """Return the tick at which the stream stored the key's value, or 0 for an unknown key."""
        return self._copy.key_state(bucket, key).at

    def key_state(self, bucket: str, key: str) -> KeyState:
        """Return the known state of a key."""
        return self._copy.key_state(bucket, key)

    def now(self) -> int:
        """Return the cluster's time, in ticks."""
        return self._link.clock()

    def on_change(self, observer: Observer) -> None:
        """Call ``observer`` with the changes made by each later write, from any node."""
        self._copy.on_change(observer)

    def saved_position(self) -> SavedPosition | None:
        """Return the copy's position in the stream, or None before the copy has started."""
        stream = self._watch.stream
        if stream is None:
            return None
        return SavedPosition(stream.identity, stream.generation, self._copy.seq, self._copy.at)

    async def close(self) -> None:
        """Stop following the stream."""
        self._closed = True
        await self._watch.close()

    async def _write_batch(self, changes: tuple[Item, ...], expected: tuple[Item, ...]) -> None:
        batch = self._encode(changes, self._conditions(expected))
        if len(batch) > BATCH_MESSAGES:
            raise Unavailable(
                f"a change of {len(batch):,} messages exceeds the cluster's limit"
                f" ({BATCH_MESSAGES:,})"
            )
        await self._watch.wait_for(await self._store_batch(batch, changes, expected))

    async def _store_batch(
        self, batch: list[KvMessage], changes: tuple[Item, ...], expected: tuple[Item, ...]
    ) -> int:
        """Store a batch, and return its last position in the stream."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._tuning.patience
        write_id = secrets.token_hex(8)
        while True:
            # with this id, the server can tell a retry from a second write
            batch[0].headers["Nats-Msg-Id"] = write_id
            try:
                return await self._publish(batch)
            except Unavailable:
                if loop.time() > until:
                    raise
            except RequestRefused as error:
                if (
                    error.code == DUPLICATE
                ):  # an earlier attempt succeeded, but its response was lost
                    return await self._watch.write_marker()
                if loop.time() > until or error.code not in {INCOMPLETE, *WRONG_SEQUENCE}:
                    raise Unavailable(f"the key-value store cannot be written: {error}") from error
                if error.code in WRONG_SEQUENCE:
                    batch = self._encode(changes, await self._renewed_conditions(expected))
            await asyncio.sleep(RESEND_SECONDS)

    def _conditions(self, expected: tuple[Item, ...]) -> dict[KvKey, int]:
        """Return the sequence numbers at which the keys have the expected values.

        Raises ``Conflict`` if the values are different. Call this once for all attempts, because
        other writes may reach the copy before the next attempt.
        """
        if not self._open().holds(expected):
            raise Conflict("the key-value store has changed since it was read")
        purged_before = (
            self._link.clock() - (self._tuning.tombstone + REMOVAL_DELAY_SECONDS) * TICKS_PER_SECOND
        )
        states = {(item.bucket, item.key): self._copy.key_state(*item[:2]) for item in expected}
        return {
            key: 0 if state.value is None and state.at < purged_before else state.seq
            for key, state in states.items()
        }

    async def _renewed_conditions(self, expected: tuple[Item, ...]) -> dict[KvKey, int]:
        """Return the conditions for another attempt, if the keys have the expected values again.

        The key may have had another value briefly, or the stream may have purged a deleted key.
        """
        await self._watch.catch_up()
        return self._conditions(expected)

    async def _publish(self, batch: list[KvMessage]) -> int:
        name = secrets.token_hex(8)
        *first, last = batch
        for number, message in enumerate(first, 1):
            headers = message.headers | {"Nats-Batch-Id": name, "Nats-Batch-Sequence": str(number)}
            if not self._link.connected:
                raise Unavailable("no NATS server of the cluster can be reached")
            await self._link.client.publish(message.subject, message.payload, headers=headers)
        headers = last.headers | {
            "Nats-Batch-Id": name,
            "Nats-Batch-Sequence": str(len(batch)),
            "Nats-Batch-Commit": "1",
        }
        ack = await self._link.publish_once(last.subject, last.payload, headers)
        return ack.seq

    def _encode(
        self, changes: tuple[Item, ...], conditions: Mapping[KvKey, int]
    ) -> list[KvMessage]:
        return self._batches.encode(changes, conditions, self._link.client.max_payload // 2)

    def _open(self) -> StoreCopy:
        if self._closed:
            raise Unavailable("the store of users and sessions is closed")
        return self._copy
