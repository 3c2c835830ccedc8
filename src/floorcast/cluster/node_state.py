"""The state of a node in its cluster, for the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["ClusterState", "StreamLag"]


class StreamLag(NamedTuple):
    """The number of messages of a stream that a node lacks, and for how long it has been behind."""

    stream: str
    messages: int
    seconds: float


class ClusterState(NamedTuple):
    """A node's view of its cluster.

    ``leaders`` maps each stream to the NATS server that leads it, or to "" if it has no leader.
    """

    connected: bool
    quorum: bool
    lags: Sequence[StreamLag]
    leaders: Mapping[str, str]
    disk_bytes: int
