"""Reads a JetStream stream in order, until a message may be missing.

The consumer exists in the memory of one server and uses no acknowledgments, so only the reader
knows its position. If a message may have been lost (because of a gap, silence or a lost consumer),
reading ends with Unavailable, and the reader starts again after its last message.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from floorcast.cluster.link import NatsLink
from floorcast.model.errors import Unavailable
from floorcast.model.system_errors import describe_error

__all__ = ["Message", "MessageBatch", "OrderedConsumer"]

PULL_MESSAGES: Final = 64  # messages per request
PULL_NS: Final = 2_500_000_000  # how long a request waits for messages
HEARTBEAT_NS: Final = 500_000_000  # between heartbeats while there are no messages
MAX_SILENCE_SECONDS: Final = 3.0  # after which the consumer counts as lost
UNUSED_NS: Final = 30_000_000_000  # after which the server removes an unused consumer
PLACEMENT_ATTEMPTS: Final = 6  # attempts to create the consumer on a server that is not avoided

REQUEST: Final = msgspec.json.encode(
    {"batch": PULL_MESSAGES, "expires": PULL_NS, "idle_heartbeat": HEARTBEAT_NS}
)
IDLE: Final = "100"  # a heartbeat
PULL_ENDED: Final = frozenset(
    {"404", "408"}
)  # the request ended with fewer messages than requested


class Message(NamedTuple):
    """A message of a stream.

    ``seq`` is its sequence number, and ``at`` is the time in ticks at which it was stored.
    ``pending`` is the number of later messages on the consumer's server.
    """

    subject: str
    headers: Mapping[str, str]
    payload: bytes
    seq: int
    at: int
    pending: int


class MessageBatch(NamedTuple):
    """Messages that arrived together, or an empty list if none arrived for a while."""

    messages: list[Message]


class OrderedConsumer:
    """A consumer of ``stream``, which delivers the messages selected by ``config``.

    ``server`` is the NATS server that runs the consumer. Servers in ``avoid`` are used only if
    there is no other.
    """

    def __init__(
        self,
        link: NatsLink,
        stream: str,
        config: Mapping[str, object],
        avoid: frozenset[str] = frozenset(),
    ) -> None:
        self.server = ""
        self._link = link
        self._stream = stream
        self._config = config
        self._avoid = avoid
        self._name = ""
        self._client = link.client
        self._answers: asyncio.Queue[Msg] = asyncio.Queue()  # never holds more than was requested
        self._subscription: Subscription | None = None
        self._inbox = ""

    async def open(self) -> None:
        """Create the consumer. Raises Unavailable, and RequestRefused if the stream is gone."""
        await self._link.wait_until_connected()
        self._client = self._link.client
        self._inbox = self._client.new_inbox()
        try:
            self._subscription = await self._client.subscribe(self._inbox, cb=self._answers.put)
        except nats.errors.Error as error:
            raise Unavailable(f"the cluster does not respond: {describe_error(error)}") from error
        for attempts_left in reversed(range(PLACEMENT_ATTEMPTS)):
            self._name = f"floorcast-{uuid.uuid4().hex}"
            found = await self._link.api(
                f"CONSUMER.CREATE.{self._stream}.{self._name}", self._create_request()
            )
            self.server = (found.get("cluster") or {}).get("leader", "")
            if self.server not in self._avoid or not attempts_left:
                return
            await self._delete()

    async def deliveries(self) -> AsyncGenerator[MessageBatch]:
        """Yield the stored messages, then new ones.

        Raises Unavailable if a message may be missing.
        """
        left = received = 0
        try:
            while True:
                if not left:
                    left = PULL_MESSAGES
                    await self._client.publish(
                        f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}",
                        REQUEST,
                        self._inbox,
                    )
                messages: list[Message] = []
                answer: Msg | None = await self._next()
                while answer is not None:
                    status = answer.headers.get("Status") if answer.headers else None
                    if status is None:
                        received += 1
                        left -= 1
                        messages.append(self._read(answer, received))
                    elif status in PULL_ENDED:
                        left = 0
                    elif status != IDLE:
                        raise Unavailable(f"the consumer of {self._stream} ended ({status})")
                    answer = None if self._answers.empty() else self._answers.get_nowait()
                yield MessageBatch(messages)
        except nats.errors.Error as error:
            raise Unavailable(f"the cluster does not respond: {describe_error(error)}") from error

    async def close(self) -> None:
        """Delete the consumer if the server can be reached. Otherwise the server drops it later."""
        with suppress(nats.errors.Error):
            if self._subscription is not None:
                await self._subscription.unsubscribe()
            await self._delete()

    def _create_request(self) -> dict[str, Any]:
        config = {
            "name": self._name,
            "ack_policy": "none",
            "replay_policy": "instant",
            "inactive_threshold": UNUSED_NS,
            "num_replicas": 1,
            "mem_storage": True,
            **self._config,
        }
        return {"stream_name": self._stream, "config": config}

    async def _next(self) -> Msg:
        try:
            async with asyncio.timeout(MAX_SILENCE_SECONDS):
                return await self._answers.get()
        except TimeoutError as error:
            raise Unavailable(f"the consumer of {self._stream} is silent") from error

    def _read(self, answer: Msg, expected: int) -> Message:
        """Read a message, which must be number ``expected`` of the consumer's messages.

        JetStream reports the numbers in the reply subject:
        ``$JS.ACK.<domain>.<account>.
        <stream>.<consumer>.<deliveries>.<seq>.<number>.<ns>.<pending>``. If there are
        no domain and account, both are left out.
        """
        parts = answer.reply.split(".")
        seq, number, stamp, pending = map(int, parts[5:9] if len(parts) == 9 else parts[7:11])
        if number != expected:
            raise Unavailable(f"{self._stream} sent message {number} where {expected} was due")
        return Message(
            answer.subject, answer.headers or {}, answer.data, seq, stamp // 100, pending
        )

    async def _delete(self) -> None:
        if self._link.connected and self._name:
            await self._client.publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._name}")
