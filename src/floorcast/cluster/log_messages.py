"""The form of an entry on its way through JetStream: which stream, which subject, which headers.

A message is what one node published of one client: a batch's lines, or a site. What it becomes
(its number, its time, which of its events are duplicates) is not in it: that follows from where
it stands in its stream, on every node alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple
from zlib import crc32

from floorcast.log.port import Batch
from floorcast.model.errors import TooLarge

__all__ = [
    "ID",
    "KIND",
    "TAKEN",
    "MessageKind",
    "Piece",
    "cut",
    "stream_name",
    "stream_of",
    "subject",
    "subjects",
]

MessageKind = Literal["events", "site"]

KIND = "Floorcast-Kind"
ID = "Nats-Msg-Id"  # JetStream's own: within its window it stores a message of one id once
TAKEN = "Floorcast-Taken"  # ticks; of an entry that another log has taken before
HEADERS = 512  # bytes that a message's headers take at most


def stream_name(number: int) -> str:
    """What JetStream calls the stream."""
    return f"FLOORCAST_{number}"


def stream_of(client: int, streams: int) -> int:
    """The stream that a client is in; the same in every process and release."""
    return crc32(str(client).encode()) % streams


def subject(client: int, streams: int) -> str:
    """The subject of a client's messages."""
    return f"floorcast.log.{stream_of(client, streams)}.{client}"


def subjects(number: int) -> str:
    """All subjects of a stream."""
    return f"floorcast.log.{number}.*"


class Piece(NamedTuple):
    """A part of a batch that fits into a message; ``start`` is the index of its first event."""

    start: int
    batch: Batch
    payload: bytes


def cut(batch: Batch, limit: int) -> Iterator[Piece]:
    """The messages that a batch becomes where one may have ``limit`` bytes.

    Raises TooLarge when an event is larger than that, ValueError when a line holds a newline.
    """
    room = limit - HEADERS
    if any(b"\n" in line for line in batch.lines):
        raise ValueError("a line of a batch holds a newline")
    largest = max(map(len, batch.lines), default=0)
    if largest > room:
        raise TooLarge(f"an event has {largest:,} bytes; the cluster takes at most {room:,}")
    for start, end in _ranges([len(line) + 1 for line in batch.lines], room + 1):
        lines = batch.lines[start:end]
        piece = Batch(batch.client, lines, batch.events[start:end])
        yield Piece(start, piece, b"\n".join(lines))


def _ranges(sizes: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    start = filled = 0
    for index, size in enumerate(sizes):
        if filled + size > room:
            yield start, index
            start, filled = index, 0
        filled += size
    if sizes:
        yield start, len(sizes)
