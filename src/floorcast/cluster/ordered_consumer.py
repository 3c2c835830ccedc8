"""Reading a JetStream stream: its messages in order, until one may be missing.

The consumer is the server's, of its memory and without acknowledgements: what has been taken in
is known to the reader's own disk alone. Whatever may have cost a message (a gap, silence, a
consumer that is gone) ends the reading; the reader begins again behind the last message it has.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from floorcast.cluster.link import NatsLink
from floorcast.model.errors import Unavailable

__all__ = ["Gone", "Message", "consume"]

PULL = 32  # messages asked for at a time, of a megabyte at most
EXPIRES = 2_500_000_000  # ns that a request waits for messages
HEARTBEAT = 1_000_000_000  # ns between two signs of life while there are none
SILENCE = 3.0  # seconds without any, after which the consumer is taken for dead
UNUSED = 30_000_000_000  # ns after which the server forgets a consumer that nobody asks

ASK_AGAIN = frozenset(
    {"404", "408"}
)  # the request has ended, with fewer messages than it asked for


class Gone(Unavailable):
    """The stream no longer has the messages behind the reader's position."""


class Message(NamedTuple):
    """A message of a stream: its place there, and when the stream took it, in ticks.

    ``pending`` is how many more there were behind it as it was sent.
    """

    client: int
    headers: Mapping[str, str]
    payload: bytes
    seq: int
    at: int
    pending: int


async def consume(
    link: NatsLink, stream: str, subjects: Sequence[str], after: int
) -> AsyncGenerator[Message | float]:
    """The messages of some subjects behind ``after``, in order, those that come included.

    A number now and then, while there are no more: when (on the loop's clock) it was asked for
    what came to that answer. Raises Unavailable when a message may be missing or nothing comes
    any more, Gone when the stream does not reach back so far.
    """
    name = f"floorcast-{uuid.uuid4().hex}"
    loop = asyncio.get_running_loop()
    await link.until_connected()
    client = link.client
    inbox = client.new_inbox()
    answers: asyncio.Queue[Msg] = asyncio.Queue()  # bounded by what is asked for
    subscription: Subscription | None = None
    try:
        subscription = await client.subscribe(inbox, cb=answers.put)
        await _begin(link, stream, name, subjects, after)
        received = left = 0
        asked = loop.time()
        while True:
            if not left:
                left = PULL
                asked = loop.time()
                await client.publish(
                    f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}", _request(), inbox
                )
            answer = await _next(answers)
            status = answer.headers.get("Status") if answer.headers else None
            if status == "100":
                yield asked
            elif status is not None:
                if status not in ASK_AGAIN:
                    raise Unavailable(f"the consumer of {stream} ended ({status})")
                left = 0
            else:
                message, number = _read(answer)
                received += 1
                left -= 1
                if number != received:
                    raise Unavailable(f"{stream} sent message {number} where {received} was due")
                yield message
    except nats.errors.Error as error:
        raise Unavailable(f"the cluster does not answer: {error}") from error
    finally:
        if subscription is not None:
            await _forget(link, subscription, stream, name)


async def _begin(
    link: NatsLink, stream: str, name: str, subjects: Sequence[str], after: int
) -> None:
    await link.api(f"CONSUMER.CREATE.{stream}.{name}", _consumer(stream, name, subjects, after))
    state = (await link.api(f"STREAM.INFO.{stream}"))["state"]
    if state["first_seq"] > after + 1:
        raise Gone(f"{stream} begins at {state['first_seq']}, this node knows up to {after}")


def _consumer(stream: str, name: str, subjects: Sequence[str], after: int) -> object:
    return {
        "stream_name": stream,
        "config": {
            "name": name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": after + 1,
            "ack_policy": "none",
            "replay_policy": "instant",
            "filter_subjects": subjects,
            "inactive_threshold": UNUSED,
            "num_replicas": 1,
            "mem_storage": True,
        },
    }


def _request() -> bytes:
    return msgspec.json.encode({"batch": PULL, "expires": EXPIRES, "idle_heartbeat": HEARTBEAT})


async def _next(answers: asyncio.Queue[Msg]) -> Msg:
    try:
        async with asyncio.timeout(SILENCE):
            return await answers.get()
    except TimeoutError as error:
        raise Unavailable("the consumer is silent") from error


def _read(answer: Msg) -> tuple[Message, int]:
    """A message, and its number among those that the consumer sent.

    JetStream tells them in the subject for an answer: ``$JS.ACK.<domain>.<account>.<stream>.
    <consumer>.<deliveries>.<seq>.<number>.<ns>.<pending>``, with the domain and the account
    left out where there are none.
    """
    parts = answer.reply.split(".")
    seq, number, stamp, pending = map(int, parts[5:9] if len(parts) == 9 else parts[7:11])
    headers = answer.headers or {}
    client = int(answer.subject.rpartition(".")[2])
    return Message(client, headers, answer.data, seq, stamp // 100, pending), number


async def _forget(link: NatsLink, subscription: Subscription, stream: str, name: str) -> None:
    """Let the server know, if it can be reached; else it forgets the consumer by itself."""
    with suppress(nats.errors.Error):
        await subscription.unsubscribe()
        if link.connected:
            await link.client.publish(f"$JS.API.CONSUMER.DELETE.{stream}.{name}")
