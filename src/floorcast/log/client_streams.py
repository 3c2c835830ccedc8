"""A client's stream in memory: the entries made from a batch, the head, and the followers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from floorcast.log.log_file import StreamRow, first_id
from floorcast.log.port import Batch, Entry, Head
from floorcast.log.tuning import LogTuning
from floorcast.model.inbound import LoggedEvent
from floorcast.model.token import MAX_INDEX

__all__ = ["NewEvents", "NumberedStream", "Stream", "make_entries", "select_new_events"]


class NewEvents(NamedTuple):
    """The events of a batch that the log does not have yet, and the indices of the duplicates."""

    lines: Sequence[bytes]
    events: Sequence[LoggedEvent]
    keys: Sequence[bytes]
    duplicates: Sequence[int]


def select_new_events(
    batch: Batch, keys: Sequence[bytes], known_keys: AbstractSet[bytes]
) -> NewEvents:
    """Separate the new events of a batch from the duplicates.

    If several events in the batch have the same key, only the first can be new.
    """
    if not known_keys and len(set(keys)) == len(keys):
        return NewEvents(batch.lines, batch.events, keys, ())
    seen_keys = set(known_keys)
    new: list[int] = []
    duplicates: list[int] = []
    for index, key in enumerate(keys):
        if key in seen_keys:
            duplicates.append(index)
        else:
            seen_keys.add(key)
            new.append(index)
    return NewEvents(
        [batch.lines[index] for index in new],
        [batch.events[index] for index in new],
        [keys[index] for index in new],
        duplicates,
    )


def make_entries(
    client: int,
    new_events: NewEvents,
    next_head: Callable[[], Head],
    entry_events: int = MAX_INDEX + 1,
) -> list[Entry]:
    """Return the entries for the new events, with at most ``entry_events`` events in each.

    ``next_head`` returns the number and time of the next entry. Raises ValueError if a line
    contains a newline.
    """
    starts = range(0, len(new_events.lines), entry_events)
    payloads = [b"\n".join(new_events.lines[start : start + entry_events]) for start in starts]
    if sum(payload.count(b"\n") + 1 for payload in payloads) != len(new_events.lines):
        raise ValueError("a line of a batch holds a newline")
    entries = []
    for start, payload in zip(starts, payloads, strict=True):
        events = (
            new_events.events[start : start + entry_events]
            if len(starts) > 1
            else new_events.events
        )
        number, recorded_at = next_head()
        entries.append(Entry(client, number, recorded_at, "events", len(events), payload, events))
    return entries


READ_ENTRIES = 16  # entries that a follower reads at a time

Read = Callable[[int, int], list[Entry]]
"""Takes an entry number and a limit, and returns at most that many stored entries after it."""


class _FollowerBuffer:
    """The entries that wait in memory for one reader, without gaps."""

    def __init__(self, max_events: int) -> None:
        self.woken = asyncio.Event()
        self._max_events = max_events
        self._waiting: deque[Entry] = deque()
        self._events = 0

    def put(self, entry: Entry) -> None:
        if self._events > self._max_events:
            self._waiting.clear()
            self._events = 0
        self._waiting.append(entry)
        self._events += entry.count + 1
        self.woken.set()

    def pop(self, number: int) -> Entry | None:
        """Return the entry ``number`` if it waits here, and drop earlier entries."""
        waiting = self._waiting
        while waiting and waiting[0].number <= number:
            entry = waiting.popleft()
            self._events -= entry.count + 1
            if entry.number == number:
                return entry
        return None


class Stream:
    """One client's stream. ``head`` is durable; ``planned`` also includes appends in progress.

    Up to about ``follower_events`` events wait in memory for each follower. A follower that is
    further behind reads from the disk.
    """

    def __init__(self, client: int, head: Head, follower_events: int) -> None:
        self._follower_events = follower_events
        self.client = client
        self.head = head
        self.planned = head
        self._followers: set[_FollowerBuffer] = set()
        self._closed = False

    def time_of_next(self, now: int) -> int:
        """Return the next entry's time: ``now``, or just after the previous entry if later."""
        return max(now, self.planned.recorded_at + 1)

    def next(self, now: int) -> Head:
        """Plan the next entry, and return its number and time."""
        self.planned = Head(self.planned.number + 1, self.time_of_next(now))
        return self.planned

    def discard_planned(self) -> None:
        """Forget all appends in progress."""
        self.planned = self.head

    def publish(self, entry: Entry) -> None:
        """Make a durable entry the head, and give it to the followers."""
        self.head = Head(entry.number, entry.recorded_at)
        for follower in self._followers:
            follower.put(entry)

    def close(self) -> None:
        """End every follower."""
        self._closed = True
        for follower in self._followers:
            follower.woken.set()

    async def follow(self, after: int, read: Read) -> AsyncGenerator[Entry]:
        """Yield the entries after number ``after``: stored entries, then live ones.

        ``read`` returns the stored entries.
        """
        follower = _FollowerBuffer(self._follower_events)
        self._followers.add(follower)
        try:
            while not self._closed:
                entry = follower.pop(after + 1)
                if entry is not None:
                    after = entry.number
                    yield entry
                    del entry  # its events take several times its bytes, while this waits
                elif after < self.head.number:
                    head = self.head.number
                    stored = read(after, READ_ENTRIES)
                    for one in stored:
                        after = one.number
                        yield one
                    if not stored:  # retention has removed all earlier entries
                        after = head
                else:
                    follower.woken.clear()
                    await follower.woken.wait()
        finally:
            self._followers.discard(follower)


class NumberedStream(Stream):
    """A stream with the ordinal and first id of its rows.

    ``stored`` is False until the stream has an entry. ``site`` is the client's site after all
    durable entries, and ``planned_site`` also includes entries in progress. Nothing can be appended
    to a ``damaged`` stream.
    """

    def __init__(self, row: StreamRow, tuning: LogTuning, *, stored: bool) -> None:
        super().__init__(row.client, row.head, tuning.follower_events)
        self.ordinal = row.ordinal
        self.first_id = first_id(row.ordinal)
        self.damaged = row.damaged
        self.stored = stored
        self.site = self.planned_site = row.site

    def row(self) -> StreamRow:
        """Return the durable part of the stream, for a reader."""
        return StreamRow(self.ordinal, self.client, self.head)

    def publish(self, entry: Entry) -> None:
        """Make a durable entry the head, and give it to the followers."""
        self.stored = True
        if entry.kind == "site":
            self.site = entry.payload
        super().publish(entry)

    def discard_planned(self) -> None:
        """Forget all appends in progress."""
        self.planned_site = self.site
        super().discard_planned()
