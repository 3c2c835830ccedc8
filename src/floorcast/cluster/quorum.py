"""Determines from a stream's ``STREAM.INFO`` whether its leader reaches most replicas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["has_quorum", "live_replicas"]

# A replica that has been silent for 3 s no longer counts. A majority elects another leader no
# earlier than 4 s after it last heard from the current one.
SILENT_NS: Final = 3_000_000_000


def has_quorum(info: Mapping[str, Any]) -> bool:
    """Return whether the stream in this ``STREAM.INFO`` has a leader that reaches most replicas."""
    cluster = info.get("cluster") or {}
    replicas = cluster.get("replicas") or []
    return bool(cluster.get("leader")) and 2 * (1 + len(live_replicas(info))) > 1 + len(replicas)


def live_replicas(info: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the replicas from which the leader has heard recently."""
    replicas = (info.get("cluster") or {}).get("replicas") or []
    return [
        replica
        for replica in replicas
        if not replica.get("offline") and replica.get("active", 0) < SILENT_NS
    ]
