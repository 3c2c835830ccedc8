"""Which events a log holds already: exact, for the whole retention, in fixed memory.

The newest keys are in memory, in memtables of some ten thousand keys. A full memtable is stored as
a sorted run. A Bloom filter in front of the runs lets nearly every new key pass without a disk
read; the others are looked up exactly.

A key counts as seen as soon as its event is on its way to the log, and is withdrawn when the log
fails. It counts by the hour of its entry: whether an event is a duplicate depends only on what the
log holds and on when the log takes the event.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

from floorcast.log.bloom_filter import BloomFilter
from floorcast.log.dedup_keys import keys_of_payload
from floorcast.log.port import HOUR, Entry, kept_since
from floorcast.log.sorted_runs import Run, SortedRuns
from floorcast.log.tuning import Tuning

__all__ = ["Memtable", "Seen"]


class Memtable:
    """Keys of one hour, in memory.

    ``under_way`` counts the appends whose keys are here and that are not durable yet.
    ``checkpoints`` is, by client, the last entry whose keys are all here or in earlier memtables.
    """

    def __init__(self, number: int, hour: int, tuning: Tuning) -> None:
        self._tuning = tuning
        self.number = number
        self.hour = hour
        self.keys: set[bytes] = set()
        self.size = 0
        self.checkpoints: dict[int, int] = {}
        self.under_way = 0
        self.sealed = False
        self.handed_over = False

    @property
    def has_room(self) -> bool:
        """Whether more keys may come in."""
        tuning = self._tuning
        short = len(self.keys) < tuning.memtable_keys and self.size < tuning.memtable_bytes
        return short and not self.sealed


class Seen:
    """The keys of one log. Times are ticks."""

    def __init__(self, runs: SortedRuns, retention: int, tuning: Tuning) -> None:
        self._tuning = tuning
        self._runs = runs
        self._retention = retention
        self._filter = BloomFilter()
        for marks in runs.marks():
            self._filter.load(marks)
        self._newest = runs.memtables()[1]
        self._memtables: list[Memtable] = []
        self._turned_at = self._newest + 1

    @property
    def lost(self) -> bool:
        """Whether the keys on the disk are lost: they have to be loaded from the log once more."""
        return self._runs.lost

    @property
    def full(self) -> bool:
        """Whether so many keys wait for the disk that none should be added."""
        return self._runs.backlog > self._tuning.keys_backlog_bytes

    async def held(self, keys: AbstractSet[bytes], at: int) -> set[bytes]:
        """Those of the keys that count at the tick ``at``: reserved, and not withdrawn.

        The caller reserves the others before it asks again. Raises Unavailable.
        """
        since = kept_since(at, self._retention) // HOUR
        known: set[bytes] = set()
        for memtable in self._memtables:
            if memtable.hour >= since and not memtable.keys.isdisjoint(keys):
                known |= memtable.keys & keys
        perhaps = self._filter.sift(keys - known if known else keys)
        if perhaps:
            known.update(await self._runs.held(perhaps, since))
        return known

    def reserve(self, keys: Sequence[bytes], at: int) -> Memtable:
        """Count keys as seen at the tick; the memtable is for ``confirm`` or ``withdraw``."""
        memtable = self._open(at // HOUR)
        memtable.keys.update(keys)
        memtable.size += sum(map(len, keys))
        memtable.under_way += 1
        return memtable

    def confirm(self, memtable: Memtable, client: int, number: int) -> None:
        """The keys' events are durable, the last of them in entry ``number``."""
        memtable.checkpoints[client] = number
        memtable.under_way -= 1
        if memtable.sealed:
            self._hand_over()

    def withdraw(self, memtable: Memtable, keys: Iterable[bytes]) -> None:
        """The keys' events did not become durable."""
        memtable.keys.difference_update(keys)
        memtable.under_way -= 1
        if memtable.sealed:
            self._hand_over()

    def load(self, entry: Entry) -> None:
        """Take the keys of a stored entry, in order for each client, while it is not ``full``."""
        keys = keys_of_payload(entry.client, entry.payload) if entry.count else []
        self._filter.sift(keys)
        memtable = self.reserve(keys, entry.recorded_at)
        self.confirm(memtable, entry.client, entry.number)

    def _open(self, hour: int) -> Memtable:
        """The memtable that takes keys of the hour.

        Two neighbouring hours are open side by side: around the full hour, streams whose clocks
        differ would otherwise begin a memtable with every entry.
        """
        for memtable in self._memtables:
            if memtable.hour == hour and memtable.has_room:
                return memtable
        for other in self._memtables:
            other.sealed |= other.hour == hour or other.hour < hour - 1
        self._hand_over()
        self._newest += 1
        memtable = Memtable(self._newest, hour, self._tuning)
        self._memtables.append(memtable)
        # a client's keys of an earlier hour came first: the checkpoints rely on that order
        self._memtables.sort(key=lambda each: (each.hour, each.number))
        return memtable

    def _hand_over(self) -> None:
        waiting = [memtable for memtable in self._memtables if not memtable.handed_over]
        last = max((index for index, memtable in enumerate(waiting) if memtable.sealed), default=-1)
        for memtable in waiting[: last + 1]:
            memtable.sealed = True
        for memtable in waiting[: last + 1]:
            if memtable.under_way:
                return
            memtable.handed_over = True
            if not memtable.keys:
                self._memtables.remove(memtable)
                continue
            covered = memtable.checkpoints
            run = Run(memtable.number, memtable.keys, memtable.size, covered, memtable.hour)
            self._runs.write(run, partial(self._stored, memtable))

    def _stored(self, memtable: Memtable) -> None:
        self._memtables.remove(memtable)
        oldest_run, _ = self._runs.memtables()
        if min([oldest_run, *(each.number for each in self._memtables)]) > self._turned_at:
            self._filter.turn()
            self._turned_at = self._newest
