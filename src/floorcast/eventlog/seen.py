"""Which events a log holds already: exact, for the whole retention, in fixed memory.

The newest keys are in memory, in *waves* of some ten thousand; a full wave is stored as a run
of ``keyruns``. A filter in front of the runs lets nearly every new key pass without a look at
the disk; what it cannot let pass is looked up there exactly.

A key counts as seen from the moment that its event is on its way to the log. When the log
fails, the key is withdrawn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

from floorcast.eventlog.identities import keys_of_payload
from floorcast.eventlog.keyfilter import KeyFilter
from floorcast.eventlog.keymerge import SPAN
from floorcast.eventlog.keyruns import KeyRuns, Run
from floorcast.eventlog.port import Entry
from floorcast.token import Now

__all__ = ["Seen", "Wave"]

WAVE = 65_536  # keys, about 12 MB of memory
WAVE_BYTES = 8 << 20  # of keys, should they be long
MAX_BACKLOG = 64 << 20  # bytes of keys that wait for the disk


class Wave:
    """Keys that were accepted one after another.

    ``under_way`` counts the appends whose keys are here and that are not durable yet.
    ``covers`` is the last entry of each client whose keys are all here or in waves before.
    """

    def __init__(self, number: int, at: int) -> None:
        self.number = number
        self.keys: set[bytes] = set()
        self.size = 0
        self.covers: dict[int, int] = {}
        self.oldest = self.newest = at
        self.under_way = 0
        self.sealed = False
        self.handed_over = False

    def has_room(self, at: int) -> bool:
        """Whether keys of this time (ticks) may still come in."""
        if not self.keys:
            self.oldest = self.newest = at
        spread = max(self.newest, at) - min(self.oldest, at)
        return len(self.keys) < WAVE and self.size < WAVE_BYTES and spread <= SPAN


class Seen:
    """The keys of one log. Times are ticks."""

    def __init__(self, runs: KeyRuns, now: Now, retention: int) -> None:
        self._runs = runs
        self._now = now
        self._retention = retention
        self._filter = KeyFilter()
        for marks in runs.marks():
            self._filter.load(marks)
        number = runs.waves()[1] + 1
        self._waves = deque([Wave(number, now())])
        self._turned_at = number

    @property
    def full(self) -> bool:
        """Whether so many keys wait for the disk that none should be added."""
        return self._runs.backlog > MAX_BACKLOG

    async def held(self, keys: AbstractSet[bytes]) -> set[bytes]:
        """Those of the keys that were reserved within the retention, and not withdrawn.

        A key is forgotten together with others: up to ``SPAN`` after the retention's end. The
        caller reserves the others, or nothing, before it asks again. Raises Unavailable.
        """
        since = self._now() - self._retention
        known: set[bytes] = set()
        for wave in self._waves:
            if wave.newest >= since and not wave.keys.isdisjoint(keys):
                known |= wave.keys & keys
        perhaps = self._filter.sift(keys - known if known else keys)
        if perhaps:
            known.update(await self._runs.held(perhaps, since))
        return known

    def reserve(self, keys: Sequence[bytes], at: int) -> Wave:
        """Count keys as seen; the wave that ``confirm`` or ``withdraw`` asks for."""
        wave = self._waves[-1]
        if not wave.has_room(at):
            wave.sealed = True
            wave = Wave(wave.number + 1, at)
            self._waves.append(wave)
            self._hand_over()
        wave.keys.update(keys)
        wave.size += sum(map(len, keys))
        wave.under_way += 1
        wave.oldest = min(wave.oldest, at)
        wave.newest = max(wave.newest, at)
        return wave

    def confirm(self, wave: Wave, client: int, number: int, taken: int) -> None:
        """The keys' events are durable, the last of them in entry ``number``."""
        wave.covers[client] = number
        wave.newest = max(wave.newest, taken)
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
        wave = self.reserve(keys, entry.taken)
        self.confirm(wave, entry.client, entry.number, entry.taken)
        if self.full:
            self._runs.wait()

    def _hand_over(self) -> None:
        for wave in list(self._waves):
            if wave.handed_over:
                continue
            if not wave.sealed or wave.under_way:
                return
            wave.handed_over = True
            if not wave.keys:
                self._waves.remove(wave)
                continue
            run = Run(wave.number, wave.keys, wave.size, wave.covers, wave.oldest, wave.newest)
            self._runs.write(run, partial(self._stored, wave))

    def _stored(self, wave: Wave) -> None:
        self._waves.remove(wave)
        oldest_run, _ = self._runs.waves()
        if min(oldest_run, self._waves[0].number) > self._turned_at:
            self._filter.turn()
            self._turned_at = self._waves[-1].number
