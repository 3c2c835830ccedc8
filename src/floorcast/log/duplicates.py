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

from floorcast.log.bloom_filter import KeyFilter
from floorcast.log.dedup_keys import keys_of_payload
from floorcast.log.port import HOUR, Entry, kept_since
from floorcast.log.sorted_runs import KeyRuns, Run

__all__ = ["Seen", "Wave"]

WAVE = 65_536  # keys, about 12 MB of memory
WAVE_BYTES = 8 << 20  # of keys, should they be long
MAX_BACKLOG = 64 << 20  # bytes of keys that wait for the disk


class Wave:
    """Keys of one hour that were accepted one after another.

    ``under_way`` counts the appends whose keys are here and that are not durable yet.
    ``covers`` is the last entry of each client whose keys are all here or in waves before.
    """

    def __init__(self, number: int, hour: int) -> None:
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
        return not self.sealed and len(self.keys) < WAVE and self.size < WAVE_BYTES


class Seen:
    """The keys of one log. Times are ticks."""

    def __init__(self, runs: KeyRuns, retention: int) -> None:
        self._runs = runs
        self._retention = retention
        self._filter = KeyFilter()
        for marks in runs.marks():
            self._filter.load(marks)
        self._newest = runs.waves()[1]
        self._waves: list[Wave] = []
        self._turned_at = self._newest + 1

    @property
    def full(self) -> bool:
        """Whether so many keys wait for the disk that none should be added."""
        return self._runs.backlog > MAX_BACKLOG

    async def held(self, keys: AbstractSet[bytes], at: int) -> set[bytes]:
        """Those of the keys that count at the tick ``at``: reserved, and not withdrawn.

        The caller reserves the others, or nothing, before it asks again. Raises Unavailable.
        """
        since = kept_since(at, self._retention) // HOUR
        known: set[bytes] = set()
        for wave in self._waves:
            if wave.hour >= since and not wave.keys.isdisjoint(keys):
                known |= wave.keys & keys
        perhaps = self._filter.sift(keys - known if known else keys)
        if perhaps:
            known.update(await self._runs.held(perhaps, since))
        return known

    def reserve(self, keys: Sequence[bytes], at: int) -> Wave:
        """Count keys as seen at the tick; the wave that ``confirm`` or ``withdraw`` asks for."""
        wave = self._open(at // HOUR)
        wave.keys.update(keys)
        wave.size += sum(map(len, keys))
        wave.under_way += 1
        return wave

    def confirm(self, wave: Wave, client: int, number: int) -> None:
        """The keys' events are durable, the last of them in entry ``number``."""
        wave.covers[client] = number
        wave.under_way -= 1
        if wave.sealed:
            self._hand_over()

    def withdraw(self, wave: Wave, keys: Iterable[bytes]) -> None:
        """The keys' events did not become durable."""
        wave.keys.difference_update(keys)
        wave.under_way -= 1
        if wave.sealed:
            self._hand_over()

    def load(self, entry: Entry) -> None:
        """Take the keys of a stored entry; for a start, in order for each client. May wait."""
        keys = keys_of_payload(entry.client, entry.payload) if entry.count else []
        self._filter.sift(keys)
        wave = self.reserve(keys, entry.recorded_at)
        self.confirm(wave, entry.client, entry.number)
        if self.full:
            self._runs.wait()

    def _open(self, hour: int) -> Wave:
        """The wave that takes keys of the hour.

        Two neighbouring hours are open side by side: around the full hour, streams whose clocks
        differ would make a wave of every entry.
        """
        for wave in self._waves:
            if wave.hour == hour and wave.has_room:
                return wave
        for other in self._waves:
            other.sealed |= other.hour == hour or other.hour < hour - 1
        self._hand_over()
        self._newest += 1
        wave = Wave(self._newest, hour)
        self._waves.append(wave)
        # of one client, an earlier hour's keys came before: what a wave covers counts on them
        self._waves.sort(key=lambda each: (each.hour, each.number))
        return wave

    def _hand_over(self) -> None:
        waiting = [wave for wave in self._waves if not wave.handed_over]
        last = max((index for index, wave in enumerate(waiting) if wave.sealed), default=-1)
        for wave in waiting[: last + 1]:
            wave.sealed = True
        for wave in waiting[: last + 1]:
            if wave.under_way:
                return
            wave.handed_over = True
            if not wave.keys:
                self._waves.remove(wave)
                continue
            run = Run(wave.number, wave.keys, wave.size, wave.covers, wave.hour)
            self._runs.write(run, partial(self._stored, wave))

    def _stored(self, wave: Wave) -> None:
        self._waves.remove(wave)
        oldest_run, _ = self._runs.waves()
        if min([oldest_run, *(each.number for each in self._waves)]) > self._turned_at:
            self._filter.turn()
            self._turned_at = self._newest
