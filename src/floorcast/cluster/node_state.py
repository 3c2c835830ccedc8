"""The state of a node in its cluster, for the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["ClusterState", "Lag"]


class Lag(NamedTuple):
    """The messages of a stream that a node lacks, and the seconds since it has lacked any."""

    stream: str
    messages: int
    seconds: float


class ClusterState(NamedTuple):
    """The state of a node; ``leaders`` are NATS servers by stream, "" if none."""

    connected: bool
    quorum: bool
    lags: Sequence[Lag]
    leaders: Mapping[str, str]
    disk_bytes: int
