"""A log in memory, for tests and trials. Its contents are lost when the process ends."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import partial
from itertools import islice

from floorcast.log.client_streams import Stream, make_entries, select_new_events
from floorcast.log.duplicates import event_keys
from floorcast.log.port import NO_LIMIT, RETENTION, Appended, Batch, Entry, Head
from floorcast.log.retention import kept_since
from floorcast.log.tuning import LogTuning
from floorcast.model.errors import Unavailable
from floorcast.model.token import Now

__all__ = ["MemoryLog"]


class _ClientLog:
    """A client's entries in memory."""

    def __init__(self, client: int, tuning: LogTuning) -> None:
        self.stream = Stream(client, Head(0, 0), tuning.follower_events)
        self.entries: deque[Entry] = deque()
        self.removed = 0
        self.removed_site: Entry | None = None
        self.site: bytes | None = None
        self.keys: dict[bytes, int] = {}  # when each was recorded, oldest first

    def append(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.stream.publish(entry)

    def remove_before(self, before: int) -> None:
        """Remove entries and keys recorded before tick ``before``."""
        while self.entries and self.entries[0].recorded_at < before:
            entry = self.entries.popleft()
            self.removed = entry.number
            if entry.kind == "site":
                self.removed_site = entry
        expired = []
        for key, recorded_at in self.keys.items():
            if recorded_at >= before:
                break
            expired.append(key)
        for key in expired:
            del self.keys[key]


class MemoryLog:
    """See ``EventLog``. The contents are lost when the process ends."""

    def __init__(
        self, now: Now, *, retention: int = RETENTION, tuning: LogTuning | None = None
    ) -> None:
        self._tuning = tuning or LogTuning()
        self.identity = uuid.uuid4().hex
        self.healthy = True
        self.stall_reason = ""
        self._now = now
        self._retention = retention
        self._streams: dict[int, _ClientLog] = {}
        self._closed = False

    async def append(self, batch: Batch) -> Appended:
        """See ``EventLog.append``."""
        client_log = self._open(batch.client)
        keys = event_keys(batch.client, batch.events)
        since = kept_since(client_log.stream.time_of_next(self._now()), self._retention)
        held = {key for key in keys if client_log.keys.get(key, -1) >= since}
        new_events = select_new_events(batch, keys, held)
        for entry in make_entries(
            batch.client, new_events, self._next(client_log), self._tuning.entry_events
        ):
            client_log.append(entry)
        for key in new_events.keys:  # the oldest stay first: a key that returns moves to the end
            client_log.keys.pop(key, None)
            client_log.keys[key] = client_log.stream.head.recorded_at
        return Appended(client_log.stream.head.number, new_events.duplicates)

    async def append_site(self, client: int, payload: bytes) -> int:
        """See ``EventLog.append_site``."""
        client_log = self._open(client)
        if payload != client_log.site:
            number, recorded_at = self._next(client_log)()
            client_log.append(Entry(client, number, recorded_at, "site", 0, payload))
            client_log.site = payload
        return client_log.stream.head.number

    def read(self, client: int, after: int, limit: int) -> list[Entry]:
        """See ``EventLog.read``."""
        client_log = self._find_current(client)
        if client_log is None:
            return []
        start = max(after - client_log.removed, 0)
        return list(islice(client_log.entries, start, start + limit))

    def follow(self, client: int, after: int) -> AsyncGenerator[Entry]:
        """See ``EventLog.follow``."""
        return self._find_or_create(client).stream.follow(after, partial(self.read, client))

    def head(self, client: int) -> Head:
        """See ``EventLog.head``."""
        client_log = self._streams.get(client)
        return Head(0, 0) if client_log is None else client_log.stream.head

    def last_entry_at(self, client: int, ticks: int) -> int:
        """See ``EventLog.last_entry_at``."""
        client_log = self._find_current(client)
        if client_log is None:
            return 0
        low, high = 0, len(client_log.entries)
        while low < high:
            middle = (low + high) // 2
            if client_log.entries[middle].recorded_at <= ticks:
                low = middle + 1
            else:
                high = middle
        return client_log.removed + low

    def recorded_at(self, client: int, number: int) -> int | None:
        """See ``EventLog.recorded_at``."""
        client_log = self._find_current(client)
        if client_log is None or not client_log.removed < number <= client_log.stream.head.number:
            return None
        return client_log.entries[number - client_log.removed - 1].recorded_at

    def ticks_behind(self, client: int) -> int:  # noqa: ARG002 — the port's
        """See ``EventLog.ticks_behind``. No other node writes to this log."""
        return 0

    def lost_until(self, client: int) -> int:  # noqa: ARG002 — the port's
        """See ``EventLog.lost_until``."""
        return NO_LIMIT

    def last_removed(self, client: int) -> int:
        """See ``EventLog.last_removed``."""
        client_log = self._find_current(client)
        return 0 if client_log is None else client_log.removed

    def last_removed_site(self, client: int) -> Entry | None:
        """See ``EventLog.last_removed_site``."""
        client_log = self._find_current(client)
        return None if client_log is None else client_log.removed_site

    def clients(self) -> list[int]:
        """See ``EventLog.clients``."""
        return sorted(
            client for client, client_log in self._streams.items() if client_log.stream.head.number
        )

    async def recover(self, client: int, number: int) -> bool:  # noqa: ARG002 — the port's
        """See ``EventLog.recover``."""
        return False

    def steady_now(self) -> int:
        """See ``EventLog.steady_now``."""
        return self._now()

    async def close(self) -> None:
        """See ``EventLog.close``."""
        self._closed = True
        for client_log in self._streams.values():
            client_log.stream.close()

    def _find_current(self, client: int) -> _ClientLog | None:
        """Return the client's entries, without those that are older than the retention."""
        client_log = self._streams.get(client)
        if client_log is not None:
            client_log.remove_before(kept_since(self._now(), self._retention))
        return client_log

    def _find_or_create(self, client: int) -> _ClientLog:
        client_log = self._streams.get(client)
        if client_log is None:
            client_log = self._streams[client] = _ClientLog(client, self._tuning)
        return client_log

    def _open(self, client: int) -> _ClientLog:
        if self._closed:
            raise Unavailable("the log is closed")
        client_log = self._find_or_create(client)
        client_log.remove_before(kept_since(self._now(), self._retention))
        return client_log

    def _next(self, client_log: _ClientLog) -> Callable[[], Head]:
        return lambda: client_log.stream.next(self._now())
