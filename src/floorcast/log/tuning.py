"""The sizes and waits of an embedded log. Production uses the defaults; tests make them small."""

from __future__ import annotations

from dataclasses import dataclass, field

from floorcast.log.write_ahead_log import WalSizes
from floorcast.model.token import MAX_INDEX

__all__ = ["Tuning"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """The limits of one log.

    The intake: at most ``in_flight_events`` and ``in_flight_bytes`` are on their way to the disk;
    an entry holds ``entry_events``; ``group_writes`` and ``group_bytes`` share one commit.

    Reading: ``read_bytes`` of payload are read at a time, so that no turn of the event loop becomes
    long; ``follower_events`` wait in memory for one follower, which then reads from the disk.

    Retention: ``retention_entries`` and ``retention_bytes`` are removed in one transaction, when
    half as much has been written or after ``quiet_seconds`` without a write; while that finds old
    entries, after ``idle_seconds``.

    The keys of duplicates: ``memtable_keys`` and ``memtable_bytes`` fill a memtable, and
    ``keys_backlog_bytes`` wait for the disk before intake stops. ``merge_runs`` runs are merged
    into one, ``merge_keys`` keys in one transaction. Up to ``inline_lookups`` lookups (keys times
    runs, about 2 µs each) run on the event loop itself. After a failure, the disk is retried every
    ``retry_seconds``.

    After the wall clock has moved ahead by more than ``leap_seconds``, nothing is deleted for a
    while.
    """

    in_flight_events: int = 100_000
    in_flight_bytes: int = 64 << 20
    entry_events: int = MAX_INDEX + 1
    group_writes: int = 64
    group_bytes: int = 16 << 20
    read_bytes: int = 2 << 20
    follower_events: int = 20_000
    retention_entries: int = 64
    retention_bytes: int = 8 << 20
    idle_seconds: float = 0.05
    quiet_seconds: float = 60.0
    memtable_keys: int = 65_536
    memtable_bytes: int = 8 << 20
    keys_backlog_bytes: int = 64 << 20
    keys_cache_kib: int = 8192
    merge_runs: int = 8
    merge_keys: int = 16_384
    inline_lookups: int = 256
    retry_seconds: float = 0.5
    leap_seconds: float = 3600.0
    wal: WalSizes = field(default_factory=WalSizes)
