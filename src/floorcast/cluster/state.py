"""How a node of a cluster does, for the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["ClusterState", "Lag"]


class Lag(NamedTuple):
    """What a node lacks of a stream: messages, and for how many seconds it has not had all."""

    stream: str
    messages: int
    seconds: float


class ClusterState(NamedTuple):
    """How a node of a cluster does; ``leaders`` are NATS servers by stream, empty for none."""

    connected: bool
    quorum: bool
    lags: Sequence[Lag]
    leaders: Mapping[str, str]
    disk_bytes: int
