"""The messages between nodes, and their subjects."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from floorcast.log.port import EntryKind

__all__ = [
    "PEERS",
    "CopyOffer",
    "EntryPart",
    "EntryRequest",
    "Peer",
    "PeerPosition",
    "PieceRequest",
    "peer_subject",
]

PEERS: Final = "floorcast.peers"


class PeerPosition(Struct):
    """A node's position in a stream: message ``seq`` of one generation of the stream.

    ``lag`` is the number of messages that the node lacks, and ``behind_ms`` is how long it has been
    behind.
    """

    stream: str
    seq: int
    lag: int
    behind_ms: int
    generation: str = ""


class Peer(Struct):
    """A node's report about itself.

    ``id`` changes with every start. ``clients`` is empty if the node has all clients. If the node
    has stopped following the cluster, ``halted`` is the reason.
    """

    id: str
    name: str
    ready: bool
    log: str
    clients: str
    following: list[PeerPosition]
    disk_bytes: int
    byte_order: str
    halted: str = ""


class CopyOffer(Struct):
    """A response to a request for a copy of a node's data.

    ``files`` contains the sizes of the copy's files in bytes, and is None until the copy is
    complete. If the copy cannot be made, ``error`` is the reason.
    """

    files: dict[str, int] | None = None
    error: str = ""


class PieceRequest(Struct):
    """A request for a piece of one of the copy's files."""

    file: str
    offset: int


class EntryRequest(Struct):
    """A request for a piece of a log entry's payload."""

    client: int
    number: int
    offset: int


class EntryPart(Struct):
    """An entry with the requested piece of its payload.

    ``size`` is the size of the whole payload. ``checksum`` covers the whole payload,
    ``recorded_at`` and ``count``.
    """

    recorded_at: int
    kind: EntryKind
    count: int
    size: int
    checksum: int
    piece: bytes


def peer_subject(peer: str, what: str) -> str:
    """Return the subject for one kind of request to a node."""
    return f"{PEERS}.{peer}.{what}"
