"""Recovers an entry that is damaged on this node's disk, from another node or its stream.

All nodes have the same entries. If no other node can provide the entry, it is rebuilt from the
messages that the stream stored between the entries before and after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from floorcast.cluster import log_messages
from floorcast.cluster.link import NatsLink
from floorcast.cluster.log_messages import recorded_at, stream_name, stream_number, subject
from floorcast.cluster.ordered_consumer import Message, MessageBatch, OrderedConsumer
from floorcast.cluster.peer_messages import EntryPart, EntryRequest, Peer, peer_subject
from floorcast.cluster.peers import query_peers
from floorcast.log.client_streams import select_new_events
from floorcast.log.duplicates import event_keys
from floorcast.log.port import Batch, Entry, EntryKind
from floorcast.log.restoring import StateBefore, SuspectEntries
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import read_lines
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.sqlite.checksums import checksum

__all__ = ["DamagedLog", "RecoveredEntries", "recover_from_peers", "recover_from_stream"]

CLOCK_SLACK: Final = 60 * TICKS_PER_SECOND  # maximum difference between the servers' clocks
MAX_MESSAGES: Final = 1000  # messages read to rebuild one entry
MAX_MESSAGE_BYTES: Final = 64 << 20  # the total size of these messages


class RecoveredEntries(NamedTuple):
    """Consecutive entries, and where they came from."""

    entries: Sequence[Entry]
    source: str


class DamagedLog(NamedTuple):
    """The log that a damaged entry belongs to.

    ``state_before`` takes (client, number, tick, keys), and returns which of the keys the log had
    before that entry.
    """

    identity: str
    streams: int
    state_before: Callable[[int, int, int, set[bytes]], Awaitable[StateBefore]]


async def recover_from_peers(
    link: NatsLink, source: DamagedLog, suspects: SuspectEntries
) -> RecoveredEntries | None:
    """Return the entries from another node, verified, or None if no node has them."""
    try:
        peers = await query_peers(link)
    except Unavailable:
        return None
    numbers = range(suspects.number, suspects.number + len(suspects.rows))
    for peer in peers:
        if peer.log != source.identity or not _has_client(peer, suspects.client):
            continue
        try:
            entries = [await _fetch(link, peer, suspects.client, number) for number in numbers]
        # The node has an older release, or its own entries are damaged.
        except (Unavailable, msgspec.MsgspecError):
            continue
        if suspects.accepts(entries):
            return RecoveredEntries(entries, peer.name)
    return None


def _has_client(peer: Peer, client: int) -> bool:
    return not peer.clients or str(client) in peer.clients.split(",")


async def _fetch(link: NatsLink, peer: Peer, client: int, number: int) -> Entry:
    payload = b""
    while True:
        request = EntryRequest(client, number, len(payload))
        answer = await link.request(peer_subject(peer.id, "entry"), msgspec.msgpack.encode(request))
        part = msgspec.msgpack.decode(answer.data, type=EntryPart)
        payload += part.piece
        if len(payload) >= part.size or not part.piece:
            break
    if checksum(payload, part.recorded_at, part.count) != part.checksum:
        raise Unavailable(f"{peer.name} did not send all of the entry")
    return Entry(client, number, part.recorded_at, part.kind, part.count, payload)


async def recover_from_stream(
    link: NatsLink, source: DamagedLog, suspects: SuspectEntries
) -> RecoveredEntries | None:
    """Return the entries, rebuilt from their stream, or None if they may differ from the originals.

    Raises Unavailable.
    """
    messages = await _messages_between(link, source, suspects)
    if not messages:
        return None
    batches = [_batch(suspects.client, message) for message in messages]
    keys = {key for batch in batches for key in event_keys(suspects.client, batch.events)}
    first = recorded_at(messages[0].headers, messages[0].at)
    state_before = await source.state_before(suspects.client, suspects.number, first, keys)
    entries = _rebuild(suspects, messages, batches, state_before)
    return (
        RecoveredEntries(entries, _stream(source, suspects)) if suspects.accepts(entries) else None
    )


def _rebuild(
    suspects: SuspectEntries,
    messages: Sequence[Message],
    batches: Sequence[Batch],
    state_before: StateBefore,
) -> list[Entry]:
    """Return the entries made from the messages, given the state of the log before them."""
    known_keys, site, entries = set(state_before.keys), state_before.site, list[Entry]()

    def append(kind: EntryKind, message: Message, payload: bytes, count: int = 0) -> None:
        at = recorded_at(message.headers, message.at)
        if entries:
            at = max(at, entries[-1].recorded_at + 1)
        entries.append(
            Entry(suspects.client, suspects.number + len(entries), at, kind, count, payload)
        )

    for message, batch in zip(messages, batches, strict=True):
        kind = message.headers.get(log_messages.KIND, "")
        if kind == "events":
            keys = event_keys(suspects.client, batch.events)
            lines = select_new_events(batch, keys, known_keys).lines
            known_keys.update(keys)
            if lines:
                append("events", message, b"\n".join(lines), len(lines))
        elif kind != "site":
            append("other", message, log_messages.unknown_payload(kind, message.payload))
        elif message.payload != site:
            site = message.payload
            append("site", message, site)
    return entries


def _batch(client: int, message: Message) -> Batch:
    if message.headers.get(log_messages.KIND) != "events":
        return Batch(client, (), ())
    lines = [line for line in message.payload.split(b"\n") if line and not line.isspace()]
    return Batch(client, lines, read_lines(b"\n".join(lines)))


def _stream(source: DamagedLog, suspects: SuspectEntries) -> str:
    return stream_name(stream_number(suspects.client, source.streams))


async def _messages_between(
    link: NatsLink, source: DamagedLog, suspects: SuspectEntries
) -> list[Message]:
    """Return the client's messages between the entries before and after.

    Returns an empty list if there are too many.
    """
    after = suspects.after
    row = suspects.rows[0]
    if not after and row is not None and isinstance(row[1], int):
        after = row[1] - 1
    if not after:
        return []
    begin = datetime.fromtimestamp(max(0, after - CLOCK_SLACK) / TICKS_PER_SECOND, UTC)
    config = {
        "deliver_policy": "by_start_time",
        "opt_start_time": begin.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "filter_subjects": [subject(suspects.client, source.streams)],
    }
    consumer = OrderedConsumer(link, _stream(source, suspects), config)
    found: list[Message] = []
    size = 0
    try:
        await consumer.open()
        async with aclosing(consumer.deliveries()) as deliveries:
            async for delivery in deliveries:
                for message in delivery.messages:
                    if after < recorded_at(message.headers, message.at) < suspects.until:
                        found.append(message)
                        size += len(message.payload)
                if len(found) > MAX_MESSAGES or size > MAX_MESSAGE_BYTES:
                    return []
                if _is_last(delivery, suspects):
                    break
    finally:
        await consumer.close()
    return found


def _is_last(delivery: MessageBatch, suspects: SuspectEntries) -> bool:
    """Return whether no later message can be needed."""
    if not delivery.messages:
        return True
    last = delivery.messages[-1]
    return not last.pending or last.at > suspects.until + CLOCK_SLACK
