"""Which events a log holds already: exact, for the whole retention, in fixed memory.

The newest keys are in memory, in *waves* of some ten thousand; a full wave is stored as a run
of ``keyruns``. A filter in front of the runs lets nearly every new key pass without a look at
the disk; what it cannot let pass is looked up there exactly.

A key counts as seen from the moment that its event is on its way to the log. When the log
fails, the key is withdrawn. It counts by the hour of its entry: whether an event is a duplicate
depends on what the log holds and on when the log takes it, and on nothing else.
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
    """Keys of one hour that were accepted one after another.

    ``under_way`` counts the appends whose keys are here and that are not durable yet.
    ``covers`` is the last entry of each client whose keys are all here or in waves before.
    """

    def __init__(self, number: int, hour: int, tuning: Tuning) -> None:
        self._tuning = tuning
        self.number = number
        self.hour = hour
        self.keys: set[bytes] = set()
        self.size = 0
        self.covers: dict[int, int] = {}
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
        self._newest = runs.waves()[1]
        self._waves: list[Memtable] = []
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

        The caller reserves the others, or nothing, before it asks again. Raises Unavailable.
        """
        since = kept_since(at, self._retention) // HOUR
        known: set[bytes] = set()
        for memtable in self._waves:
            if memtable.hour >= since and not memtable.keys.isdisjoint(keys):
                known |= memtable.keys & keys
        perhaps = self._filter.sift(keys - known if known else keys)
        if perhaps:
            known.update(await self._runs.held(perhaps, since))
        return known

    def reserve(self, keys: Sequence[bytes], at: int) -> Memtable:
        """Count keys as seen at the tick; the wave that ``confirm`` or ``withdraw`` asks for."""
        memtable = self._open(at // HOUR)
        memtable.keys.update(keys)
        memtable.size += sum(map(len, keys))
        memtable.under_way += 1
        return memtable

    def confirm(self, memtable: Memtable, client: int, number: int) -> None:
        """The keys' events are durable, the last of them in entry ``number``."""
        memtable.covers[client] = number
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
        """The wave that takes keys of the hour.

        Two neighbouring hours are open side by side: around the full hour, streams whose clocks
        differ would make a wave of every entry.
        """
        for memtable in self._waves:
            if memtable.hour == hour and memtable.has_room:
                return memtable
        for other in self._waves:
            other.sealed |= other.hour == hour or other.hour < hour - 1
        self._hand_over()
        self._newest += 1
        memtable = Memtable(self._newest, hour, self._tuning)
        self._waves.append(memtable)
        # of one client, an earlier hour's keys came before: what a wave covers counts on them
        self._waves.sort(key=lambda each: (each.hour, each.number))
        return memtable

    def _hand_over(self) -> None:
        waiting = [memtable for memtable in self._waves if not memtable.handed_over]
        last = max((index for index, memtable in enumerate(waiting) if memtable.sealed), default=-1)
        for memtable in waiting[: last + 1]:
            memtable.sealed = True
        for memtable in waiting[: last + 1]:
            if memtable.under_way:
                return
            memtable.handed_over = True
            if not memtable.keys:
                self._waves.remove(memtable)
                continue
            run = Run(memtable.number, memtable.keys, memtable.size, memtable.covers, memtable.hour)
            self._runs.write(run, partial(self._stored, memtable))

    def _stored(self, memtable: Memtable) -> None:
        self._waves.remove(memtable)
        oldest_run, _ = self._runs.waves()
        if min([oldest_run, *(each.number for each in self._waves)]) > self._turned_at:
            self._filter.turn()
            self._turned_at = self._newest
