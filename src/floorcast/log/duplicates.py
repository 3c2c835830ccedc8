"""Detects events that the log already has, exactly and for the whole retention, in fixed memory.

The newest keys are in memory, in memtables of tens of thousands of keys each. A full memtable is
stored on disk as a sorted run. With a Bloom filter in front of the runs, nearly every new key is
recognized as new without a disk read. The other keys are looked up exactly.

A key counts as seen as soon as its event is being written, and is withdrawn if the write fails. It
expires with the hour of its entry, so whether an event is a duplicate depends only on the log's
contents and the time of the append.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache, partial
from typing import Protocol
from zlib import crc32

import msgspec

from floorcast.log.port import HOUR, Entry
from floorcast.log.sorted_runs import SortedRun, SortedRuns
from floorcast.log.tuning import LogTuning
from floorcast.model.inbound import read_lines
from floorcast.model.undecodable import UNDECODABLE

__all__ = ["BloomFilter", "IdentifiedEvent", "Memtable", "SeenKeys", "event_keys", "payload_keys"]

SLOTS = 1 << 24  # bytes of each generation
PAIRS = bytes(1 << (i & 7) | 1 << (i >> 3) for i in range(64))


class BloomFilter:
    """Tells whether a key is certainly new or may have been seen before.

    A key sets two bits of one byte, so a lookup in a generation costs one memory access. There are
    at most two generations, so that old keys are forgotten together: ``rotate`` begins a new
    generation and drops the older of the two.
    """

    def __init__(self) -> None:
        self._current = bytearray(SLOTS)
        self._previous: bytearray | None = None

    def add(self, keys: Iterable[bytes]) -> list[bytes]:
        """Add the keys, and return those that may have been added before."""
        current, previous, pairs = self._current, self._previous, PAIRS
        known_keys = []
        for key in keys:
            bits = crc32(key)
            slot = bits >> 8
            pair = pairs[bits & 63]
            byte = current[slot]
            if byte & pair == pair:
                known_keys.append(key)
            else:
                current[slot] = byte | pair
                if previous is not None and previous[slot] & pair == pair:
                    known_keys.append(key)
        return known_keys

    def load(self, fingerprints: Iterable[int]) -> None:
        """Add keys by their fingerprints."""
        current, pairs = self._current, PAIRS
        for bits in fingerprints:
            current[bits >> 8] |= pairs[bits & 63]

    def rotate(self) -> None:
        """Begin a new generation, and forget the keys from before the previous rotation."""
        self._previous = self._current
        self._current = bytearray(SLOTS)


class IdentifiedEvent(Protocol):
    """The members of an event that identify it."""

    @property
    def source(self) -> str:
        """The event's source."""
        ...

    @property
    def id(self) -> str:
        """The event's id, chosen by its source."""
        ...


class _Line(msgspec.Struct, gc=False):
    source: str
    id: str


_lines = msgspec.json.Decoder(_Line)


def event_keys(client: int, events: Sequence[IdentifiedEvent]) -> list[bytes]:
    """Return the events' keys, in order.

    Two keys are equal if their client, source and id are equal.
    """
    sources = {event.source for event in events}
    if len(sources) == 1:
        prefix = _prefix(client, sources.pop())
        return [(prefix + event.id).encode() for event in events]
    prefixes = {source: _prefix(client, source) for source in sources}
    return [(prefixes[event.source] + event.id).encode() for event in events]


def payload_keys(client: int, payload: bytes) -> list[bytes]:
    """Return the keys of a stored entry's events, in order."""
    try:
        return event_keys(client, _lines.decode_lines(payload))
    except UNDECODABLE:
        return event_keys(client, read_lines(payload))


@lru_cache(maxsize=1024)
def _prefix(client: int, source: str) -> str:
    # The only newlines are those that end the two parts, so no other pair gives the same key.
    escaped = source.replace("\\", "\\\\").replace("\n", "\\n")
    return f"{client}\n{escaped}\n"


class Memtable:
    """Keys of one hour, in memory.

    ``appends_in_progress`` counts the appends that are not durable yet and whose keys are in this
    memtable. ``checkpoints`` maps each client to the last entry whose keys are all in this memtable
    or in earlier ones.
    """

    def __init__(self, number: int, hour: int, tuning: LogTuning) -> None:
        self._tuning = tuning
        self.number = number
        self.hour = hour
        self.keys: set[bytes] = set()
        self.size = 0
        self.checkpoints: dict[int, int] = {}
        self.appends_in_progress = 0
        self.sealed = False
        self.handed_over = False

    @property
    def has_room(self) -> bool:
        """Whether more keys may be added."""
        tuning = self._tuning
        short = len(self.keys) < tuning.memtable_keys and self.size < tuning.memtable_bytes
        return short and not self.sealed


class SeenKeys:
    """The keys of one log. Times are in ticks."""

    def __init__(self, runs: SortedRuns, retention: int, tuning: LogTuning) -> None:
        self._tuning = tuning
        self._runs = runs
        self._retention = retention
        self._filter = BloomFilter()
        for fingerprints in runs.fingerprints():
            self._filter.load(fingerprints)
        self._newest = runs.memtable_range()[1]
        self._memtables: list[Memtable] = []
        self._rotated_at = self._newest + 1

    @property
    def lost(self) -> bool:
        """Whether the keys on disk are lost and must be loaded from the log again."""
        return self._runs.lost

    @property
    def full(self) -> bool:
        """Whether no more keys can be added, because too many are waiting for the disk."""
        if not any(memtable.handed_over for memtable in self._memtables):
            return False
        return self._runs.backlog > self._tuning.keys_backlog_bytes

    async def find_known(self, keys: AbstractSet[bytes], at: int) -> set[bytes]:
        """Return the keys that count as seen at tick ``at``: reserved, not withdrawn, not expired.

        The caller must reserve the other keys before the next call. Raises Unavailable.
        """
        since = (at - self._retention) // HOUR  # the oldest hour that counts; see ``kept_since``
        known_keys: set[bytes] = set()
        for memtable in self._memtables:
            if memtable.hour >= since and not memtable.keys.isdisjoint(keys):
                known_keys |= memtable.keys & keys
        maybe_known = self._filter.add(keys - known_keys if known_keys else keys)
        if maybe_known:
            known_keys.update(await self._runs.find_known(maybe_known, since))
        return known_keys

    def reserve(self, keys: Sequence[bytes], at: int) -> Memtable:
        """Count the keys as seen at tick ``at``.

        Pass the returned memtable to ``confirm`` or ``withdraw``.
        """
        memtable = self._open(at // HOUR)
        memtable.keys.update(keys)
        memtable.size += sum(map(len, keys))
        memtable.appends_in_progress += 1
        return memtable

    def confirm(self, memtable: Memtable, client: int, number: int) -> None:
        """Note that the keys' events are durable, the last of them in entry ``number``."""
        memtable.checkpoints[client] = number
        memtable.appends_in_progress -= 1
        if memtable.sealed:
            self._hand_over()

    def withdraw(self, memtable: Memtable, keys: Iterable[bytes]) -> None:
        """Forget keys whose events did not become durable."""
        memtable.keys.difference_update(keys)
        memtable.appends_in_progress -= 1
        if memtable.sealed:
            self._hand_over()

    def load(self, entry: Entry) -> None:
        """Add the keys of a stored entry.

        Load the entries of a client in order, and only while this object is not ``full``.
        """
        keys = payload_keys(entry.client, entry.payload) if entry.count else []
        self._filter.add(keys)
        memtable = self.reserve(keys, entry.recorded_at)
        self.confirm(memtable, entry.client, entry.number)

    def _open(self, hour: int) -> Memtable:
        """Return the memtable that takes keys of this hour.

        The memtables of two neighboring hours can be open at the same time. Otherwise, around the
        full hour, streams whose clocks differ would begin a memtable with every entry.
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
        # a client's keys of an earlier hour came first, and checkpoints rely on this order
        self._memtables.sort(key=lambda each: (each.hour, each.number))
        return memtable

    def _hand_over(self) -> None:
        waiting = [memtable for memtable in self._memtables if not memtable.handed_over]
        last = max((index for index, memtable in enumerate(waiting) if memtable.sealed), default=-1)
        for memtable in waiting[: last + 1]:
            memtable.sealed = True
        for memtable in waiting[: last + 1]:
            if memtable.appends_in_progress:
                return
            memtable.handed_over = True
            if not memtable.keys:
                self._memtables.remove(memtable)
                continue
            checkpoints = memtable.checkpoints
            run = SortedRun(
                memtable.number, memtable.keys, memtable.size, checkpoints, memtable.hour
            )
            self._runs.write(run, partial(self._stored, memtable))

    def _stored(self, memtable: Memtable) -> None:
        self._memtables.remove(memtable)
        oldest_run, _ = self._runs.memtable_range()
        if min([oldest_run, *(each.number for each in self._memtables)]) > self._rotated_at:
            self._filter.rotate()
            self._rotated_at = self._newest
