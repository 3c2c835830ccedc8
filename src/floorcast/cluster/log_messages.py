"""Log entries as JetStream messages: their streams, subjects and headers.

Each message is published by one node for one client. It contains the lines of a batch, or a site.
It does not contain the entry's number, or say which events are duplicates. Every node derives both
from the message's position in its stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Literal, NamedTuple
from zlib import crc32

from floorcast.log.port import Batch
from floorcast.model.errors import TooLarge
from floorcast.model.token import TICKS_PER_SECOND

__all__ = [
    "ID",
    "KIND",
    "MAX_HEADER_BYTES",
    "TIME",
    "BatchPart",
    "MessageKind",
    "digest",
    "recorded_at",
    "split_batch",
    "stream_name",
    "stream_number",
    "subject",
    "subject_pattern",
    "unknown_payload",
]

MessageKind = Literal["events", "site"]

KIND = "Floorcast-Kind"
ID = "Nats-Msg-Id"  # JetStream's own: within the duplicate window, it stores each id once
TIME = "Floorcast-Time"  # ticks: the time of publishing, on the cluster's clock
MAX_HEADER_BYTES = 512
MAX_CLOCK_ERROR = 60 * TICKS_PER_SECOND  # maximum difference between the leader's time and ``TIME``
DIGEST_BYTES = 16


def stream_name(number: int) -> str:
    """Return the name of a stream in JetStream."""
    return f"FLOORCAST_{number}"


def stream_number(client: int, streams: int) -> int:
    """Return the number of a client's stream, which is the same in every process and release."""
    return crc32(str(client).encode()) % streams


def subject(client: int, streams: int) -> str:
    """Return the subject of a client's messages."""
    return f"floorcast.log.{stream_number(client, streams)}.{client}"


def recorded_at(headers: Mapping[str, str], at: int) -> int:
    """Return the tick that the log records for a message that its stream stored at tick ``at``.

    Normally this is ``at``, from the clock of the stream's leader. The publishing node knew the
    clocks of all servers. If its time is far from ``at``, the leader's clock was wrong, and the
    node's time is used instead. Every node decides this in the same way.
    """
    try:
        published = int(headers.get(TIME, at))
    except ValueError:
        return at
    return at if abs(published - at) <= MAX_CLOCK_ERROR else published


def digest(subject: str, headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return a digest that distinguishes a message from others with the same sequence number."""
    hasher = blake2b(digest_size=DIGEST_BYTES)
    for part in (subject, headers.get(ID, ""), headers.get(KIND, "")):
        hasher.update(part.encode() + b"\0")
    hasher.update(payload)
    return hasher.digest()


def unknown_payload(kind: str, payload: bytes) -> bytes:
    """Return the stored form of a message of an unknown kind."""
    return kind.encode() + b"\n" + payload


def subject_pattern(number: int) -> str:
    """Return the pattern for all subjects of a stream."""
    return f"floorcast.log.{number}.*"


class BatchPart(NamedTuple):
    """A part of a batch that fits into one message. ``start`` is the index of its first event."""

    start: int
    batch: Batch
    payload: bytes


def split_batch(batch: Batch, limit: int) -> Iterator[BatchPart]:
    """Split a batch into messages of at most ``limit`` bytes.

    Raises TooLarge if an event is larger, and ValueError if a line contains a newline.
    """
    max_payload = limit - MAX_HEADER_BYTES
    if any(b"\n" in line for line in batch.lines):
        raise ValueError("a line of a batch holds a newline")
    largest = max(map(len, batch.lines), default=0)
    if largest > max_payload:
        raise TooLarge(f"an event has {largest:,} bytes; the cluster takes at most {max_payload:,}")
    for start, end in _ranges([len(line) + 1 for line in batch.lines], max_payload + 1):
        lines = batch.lines[start:end]
        piece = Batch(batch.client, lines, batch.events[start:end])
        yield BatchPart(start, piece, b"\n".join(lines))


def _ranges(sizes: Sequence[int], max_payload: int) -> Iterator[tuple[int, int]]:
    start = filled = 0
    for index, size in enumerate(sizes):
        if filled + size > max_payload:
            yield start, index
            start, filled = index, 0
        filled += size
    if sizes:
        yield start, len(sizes)
