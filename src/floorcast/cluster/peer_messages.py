"""The messages between nodes, and their subjects."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from floorcast.log.port import EntryKind

__all__ = [
    "PEERS",
    "EntryPart",
    "EntryWanted",
    "Following",
    "Offer",
    "Peer",
    "Wanted",
    "subject_of",
]

PEERS: Final = "floorcast.peers"


class Following(Struct):
    """A node's position in a stream: message ``seq`` of one of its generations.

    ``lag`` is the number of messages that the node lacks, and ``behind_ms`` how long it has lacked
    any.
    """

    stream: str
    seq: int
    lag: int
    behind_ms: int
    generation: str = ""


class Peer(Struct):
    """A node's report about itself. ``id`` is new with every start. ``clients`` is empty for all.

    ``halted`` is the reason if the node has stopped following the cluster.
    """

    id: str
    name: str
    ready: bool
    log: str
    clients: str
    following: list[Following]
    disk_bytes: int
    byte_order: str
    halted: str = ""


class Offer(Struct):
    """A copy of a node's data: the sizes of its files in bytes, None while it is being made.

    ``error`` is the reason if it cannot be made.
    """

    files: dict[str, int] | None = None
    error: str = ""


class Wanted(Struct):
    """A request for a piece of a copy's file."""

    file: str
    offset: int


class EntryWanted(Struct):
    """A request for a piece of a log entry's payload."""

    client: int
    number: int
    offset: int


class EntryPart(Struct):
    """An entry with the requested piece of its payload.

    ``size`` and ``checksum`` are of the whole payload, the latter with ``recorded_at`` and
    ``count``.
    """

    recorded_at: int
    kind: EntryKind
    count: int
    size: int
    checksum: int
    piece: bytes


def subject_of(peer: str, what: str) -> str:
    """The subject of one kind of request to a node."""
    return f"{PEERS}.{peer}.{what}"
