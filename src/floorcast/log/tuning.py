"""The sizes and waits of an embedded log. Production uses the defaults; tests use small values."""

from __future__ import annotations

from dataclasses import dataclass, field

from floorcast.log.write_ahead_log import WalSizes
from floorcast.model.token import MAX_INDEX

__all__ = ["LogTuning"]


@dataclass(frozen=True, slots=True)
class LogTuning:
    """The limits of one log.

    Ingest: at most ``in_flight_events`` events and ``in_flight_bytes`` bytes are being written at a
    time. An entry has up to ``entry_events`` events. A commit has up to ``group_writes`` writes and
    about ``group_bytes`` bytes.

    Reading: at most ``read_bytes`` of payload are read at a time, to keep turns of the event loop
    short. About ``follower_events`` events are buffered for each follower. A follower that is
    further behind reads from the disk.

    Retention: a transaction removes up to ``retention_entries`` entries and about
    ``retention_bytes`` bytes. It runs after half as much has been written, or after
    ``quiet_seconds`` without a write, and every ``idle_seconds`` while there are old entries.

    Deduplication keys: a memtable is full at ``memtable_keys`` keys or ``memtable_bytes`` bytes.
    Ingest stops when more than ``keys_backlog_bytes`` bytes of keys wait for the disk.
    ``merge_runs`` runs are merged into one, ``merge_keys`` keys per transaction. Up to
    ``inline_lookups`` lookups (keys times runs, about 2 µs each) run on the event loop itself.
    After a failure, the disk is retried every ``retry_seconds``.

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
