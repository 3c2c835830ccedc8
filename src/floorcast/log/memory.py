"""A log in memory, for tests and trials. Its contents are lost when the process ends."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import partial
from itertools import islice

from floorcast.log.client_streams import Stream, entries_of, news_of
from floorcast.log.duplicates import keys_of
from floorcast.log.port import ALWAYS, RETENTION, Appended, Batch, Entry, Head
from floorcast.log.retention import kept_since
from floorcast.log.tuning import Tuning
from floorcast.model.errors import Unavailable
from floorcast.model.token import Now

__all__ = ["MemoryLog"]


class _Kept:
    """A client's entries in memory."""

    def __init__(self, client: int, tuning: Tuning) -> None:
        self.stream = Stream(client, Head(0, 0), tuning.follower_events)
        self.entries: deque[Entry] = deque()
        self.removed = 0
        self.removed_site: Entry | None = None
        self.site: bytes | None = None
        self.keys: dict[bytes, int] = {}  # when each was recorded, oldest first

    def keep(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.stream.publish(entry)

    def forget(self, before: int) -> None:
        """Remove entries and keys recorded before tick ``before``."""
        while self.entries and self.entries[0].recorded_at < before:
            entry = self.entries.popleft()
            self.removed = entry.number
            if entry.kind == "site":
                self.removed_site = entry
        old = []
        for key, recorded_at in self.keys.items():
            if recorded_at >= before:
                break
            old.append(key)
        for key in old:
            del self.keys[key]


class MemoryLog:
    """See ``EventLog``. The contents are lost when the process ends."""

    def __init__(
        self, now: Now, *, retention: int = RETENTION, tuning: Tuning | None = None
    ) -> None:
        self._tuning = tuning or Tuning()
        self.identity = uuid.uuid4().hex
        self.healthy = True
        self.stalled = ""
        self._now = now
        self._retention = retention
        self._kept: dict[int, _Kept] = {}
        self._closed = False

    async def append(self, batch: Batch) -> Appended:
        """See ``EventLog.append``."""
        kept = self._open(batch.client)
        keys = keys_of(batch.client, batch.events)
        since = kept_since(kept.stream.time_of_next(self._now()), self._retention)
        held = {key for key in keys if kept.keys.get(key, -1) >= since}
        news = news_of(batch, keys, held)
        for entry in entries_of(batch.client, news, self._next(kept), self._tuning.entry_events):
            kept.keep(entry)
        for key in news.keys:  # the oldest stay first: a key that returns moves to the end
            kept.keys.pop(key, None)
            kept.keys[key] = kept.stream.head.recorded_at
        return Appended(kept.stream.head.number, news.duplicates)

    async def append_site(self, client: int, payload: bytes) -> int:
        """See ``EventLog.append_site``."""
        kept = self._open(client)
        if payload != kept.site:
            number, recorded_at = self._next(kept)()
            kept.keep(Entry(client, number, recorded_at, "site", 0, payload))
            kept.site = payload
        return kept.stream.head.number

    def read(self, client: int, after: int, limit: int) -> list[Entry]:
        """See ``EventLog.read``."""
        kept = self._looked_at(client)
        if kept is None:
            return []
        start = max(after - kept.removed, 0)
        return list(islice(kept.entries, start, start + limit))

    def follow(self, client: int, after: int) -> AsyncGenerator[Entry]:
        """See ``EventLog.follow``."""
        return self._of(client).stream.follow(after, partial(self.read, client))

    def head(self, client: int) -> Head:
        """See ``EventLog.head``."""
        kept = self._kept.get(client)
        return Head(0, 0) if kept is None else kept.stream.head

    def last_at(self, client: int, ticks: int) -> int:
        """See ``EventLog.last_at``."""
        kept = self._looked_at(client)
        if kept is None:
            return 0
        low, high = 0, len(kept.entries)
        while low < high:
            middle = (low + high) // 2
            if kept.entries[middle].recorded_at <= ticks:
                low = middle + 1
            else:
                high = middle
        return kept.removed + low

    def recorded_at(self, client: int, number: int) -> int | None:
        """See ``EventLog.recorded_at``."""
        kept = self._looked_at(client)
        if kept is None or not kept.removed < number <= kept.stream.head.number:
            return None
        return kept.entries[number - kept.removed - 1].recorded_at

    def lost_until(self, client: int) -> int:  # noqa: ARG002 — the port's
        """See ``EventLog.lost_until``."""
        return ALWAYS

    def removed(self, client: int) -> int:
        """See ``EventLog.removed``."""
        kept = self._looked_at(client)
        return 0 if kept is None else kept.removed

    def removed_site(self, client: int) -> Entry | None:
        """See ``EventLog.removed_site``."""
        kept = self._looked_at(client)
        return None if kept is None else kept.removed_site

    def clients(self) -> list[int]:
        """See ``EventLog.clients``."""
        return sorted(client for client, kept in self._kept.items() if kept.stream.head.number)

    async def recover(self, client: int, number: int) -> bool:  # noqa: ARG002 — the port's
        """See ``EventLog.recover``."""
        return False

    def steady_now(self) -> int:
        """See ``EventLog.steady_now``."""
        return self._now()

    async def close(self) -> None:
        """See ``EventLog.close``."""
        self._closed = True
        for kept in self._kept.values():
            kept.stream.close()

    def _looked_at(self, client: int) -> _Kept | None:
        """Return the client's entries, without those that are older than the retention."""
        kept = self._kept.get(client)
        if kept is not None:
            kept.forget(kept_since(self._now(), self._retention))
        return kept

    def _of(self, client: int) -> _Kept:
        kept = self._kept.get(client)
        if kept is None:
            kept = self._kept[client] = _Kept(client, self._tuning)
        return kept

    def _open(self, client: int) -> _Kept:
        if self._closed:
            raise Unavailable("the log is closed")
        kept = self._of(client)
        kept.forget(kept_since(self._now(), self._retention))
        return kept

    def _next(self, kept: _Kept) -> Callable[[], Head]:
        return lambda: kept.stream.next(self._now())
