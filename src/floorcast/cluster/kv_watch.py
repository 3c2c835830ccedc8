"""Following the stream of the key-value store into a node's own copy, for as long as the node runs.

A consumer is read until it misses a message, falls silent or the connection is lost; then a new
one is made, which begins with the last message of every key.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from itertools import count
from typing import Final

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from floorcast.cluster.kv_copy import OWN, Copy, Message
from floorcast.cluster.link import PATIENCE, NatsLink
from floorcast.model.errors import FloorcastError, Unavailable
from floorcast.model.tasks import ended
from floorcast.model.token import TICKS_PER_SECOND

__all__ = ["EVERYTHING", "PARTS", "STREAM", "Watch", "subject"]

STREAM: Final = "KV_FLOORCAST"
PREFIX: Final = "$KV.FLOORCAST"
EVERYTHING: Final = f"{PREFIX}.>"
PARTS: Final = "Floorcast-Parts"  # header: how many messages a large value comes in

HEARTBEAT: Final = 0.5  # seconds between two signs of life while there is nothing to deliver
SILENCE: Final = 6.0  # seconds without any message after which a consumer is taken to be lost
AGAIN: Final = 0.5  # seconds until another consumer is made

_log = structlog.stdlib.get_logger(__name__)


def subject(bucket: str, key: str, part: int = 0) -> str:
    """The subject that a key's messages have; a name's dots would part it otherwise."""
    tail = f".{part}" if part else ""
    return f"{PREFIX}.{bucket.replace('.', '/')}.{key.replace('.', '/')}{tail}"


class Watch:
    """Keeps ``copy`` as the stream is."""

    def __init__(self, link: NatsLink, copy: Copy) -> None:
        self._link = link
        self._copy = copy
        self._marks = (subject(OWN, f"{secrets.token_hex(8)}-{number}") for number in count())
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._loaded = asyncio.Event()
        self._following: _Following | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; when it returns, the copy is what the stream was when it was called."""
        self._link.on_connect(self._again)
        self._task = asyncio.create_task(self._run())
        await self._loaded.wait()

    async def reached(self, seq: int) -> None:
        """Wait until the copy has this message; raises ``Unavailable`` when it takes too long."""
        if self._copy.seq >= seq:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = seq
        try:
            await asyncio.wait_for(future, PATIENCE)
        except TimeoutError as error:
            raise Unavailable(
                "the cluster's key-value store does not come back to this node"
            ) from error
        finally:
            del self._waiting[future]

    async def current(self) -> None:
        """Wait until the copy has everything that was written before this was called."""
        await self.reached(await self.marked())

    async def marked(self) -> int:
        """Where a message that changes nothing comes to lie in the stream."""
        ack = await self._link.publish(next(self._marks), b"", {"Nats-TTL": "1m"})
        return ack.seq

    async def close(self) -> None:
        """Stop following."""
        if self._task is not None:
            await ended([self._task])

    def progress(self) -> None:
        """Tell those who wait how far the copy is."""
        self._loaded.set()
        for future, seq in self._waiting.items():
            if seq <= self._copy.seq and not future.done():
                future.set_result(None)

    def _again(self) -> None:
        if self._following is not None:
            self._following.lost.set()

    async def _run(self) -> None:
        while True:
            self._following = _Following(self, self._link.client, self._copy)
            try:
                await self._link.until_connected()
                await self._following.run(self._link)
            except (FloorcastError, nats.errors.Error) as error:
                _log.debug("buckets_watch_fails", why=str(error))
            await asyncio.sleep(AGAIN)


class _Following:
    """One consumer, from its making until it is ``lost``."""

    def __init__(self, watch: Watch, client: Client, copy: Copy) -> None:
        self.lost = asyncio.Event()
        self._watch = watch
        self._client = client
        self._copy = copy
        self._next = 1
        self._heard = 0.0
        self._together: list[Message] = []
        self._last = 0
        self._owed = 0
        self._whole = True
        self._loading_to: int | None = None
        self._loading: list[Message] | None = []

    async def run(self, link: NatsLink) -> None:
        """Follow until there is a reason to begin anew."""
        loop = asyncio.get_running_loop()
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(
            inbox, cb=self._receive, pending_msgs_limit=0, pending_bytes_limit=0
        )
        name = secrets.token_hex(8)
        try:
            await link.api(f"CONSUMER.CREATE.{STREAM}.{name}", _consumer(name, inbox))
            # what the consumer's server does not have yet lies in front of this mark
            self._loading_to = await self._watch.marked()
            self._loaded()
            self._heard = loop.time()
            while loop.time() - self._heard < SILENCE:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.lost.wait(), HEARTBEAT)
                    return
        finally:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()
            if link.connected:
                with contextlib.suppress(nats.errors.Error):
                    await self._client.publish(f"$JS.API.CONSUMER.DELETE.{STREAM}.{name}")

    async def _receive(self, message: Msg) -> None:
        if self.lost.is_set():
            return
        self._heard = asyncio.get_running_loop().time()
        try:
            headers = message.headers or {}
            if headers.get("Status") == "100":
                await self._control(message, headers)
            else:
                self._take(message, headers)
        except Exception:  # noqa: BLE001 — nats-py would swallow it; the copy is read anew
            _log.exception("buckets_message_fails", subject=message.subject)
            self.lost.set()

    async def _control(self, message: Msg, headers: dict[str, str]) -> None:
        reply = message.reply or headers.get("Nats-Consumer-Stalled")
        if reply:
            await self._client.publish(reply)
        elif int(headers.get("Nats-Last-Consumer", "0")) >= self._next:
            self.lost.set()
        elif self._loading is None and self._whole:  # there is nothing to deliver: nothing is owed
            self._owed = 0
            self._flush()

    def _take(self, message: Msg, headers: dict[str, str]) -> None:
        position = message.metadata
        if position.sequence.consumer != self._next:
            self.lost.set()
            return
        self._next += 1
        found = _message(message, headers)
        if self._loading is not None:
            self._loading.append(found)
            self._loaded()
            return
        hole = found.seq != self._last + 1
        self._last = found.seq
        # the stream had dropped a message for a later one of its key: half of a write would show
        # until that one comes. It is among those that are pending now, some of which may be
        # dropped in turn, so that what is pending later bounds what is still owed
        pending = position.num_pending
        self._owed = pending if hole else min(self._owed - 1, pending)
        self._together.append(found)
        self._whole = "Nats-Batch-Id" not in headers or "Nats-Batch-Commit" in headers
        if self._whole and self._owed <= 0:
            self._flush()

    def _loaded(self) -> None:
        loading, end = self._loading, self._loading_to
        if loading and end is not None and loading[-1].seq >= end:
            self._loading = None
            self._last = loading[-1].seq
            self._copy.take_all(loading)
            self._watch.progress()

    def _flush(self) -> None:
        self._copy.take(self._together)
        self._together.clear()
        self._watch.progress()


def _consumer(name: str, inbox: str) -> dict[str, object]:
    config = {
        "name": name,
        "deliver_subject": inbox,
        "deliver_policy": "last_per_subject",
        "filter_subject": EVERYTHING,
        "ack_policy": "none",
        "max_deliver": 1,
        "flow_control": True,
        "idle_heartbeat": int(HEARTBEAT * 1e9),
        "inactive_threshold": int(10 * SILENCE * 1e9),
        "mem_storage": True,
        "num_replicas": 1,
    }
    return {"stream_name": STREAM, "config": config, "action": ""}


def _message(message: Msg, headers: dict[str, str]) -> Message:
    bucket, key, *part = message.subject.removeprefix(f"{PREFIX}.").split(".")
    position = message.metadata
    return Message(
        bucket=bucket.replace("/", "."),
        key=key.replace("/", "."),
        value=None if headers.get("KV-Operation") == "DEL" else bytes(message.data),
        seq=position.sequence.stream,
        part=int(part[0]) if part else 0,
        parts=int(headers.get(PARTS, "0")),
        at=round(position.timestamp.timestamp() * TICKS_PER_SECOND),
    )
