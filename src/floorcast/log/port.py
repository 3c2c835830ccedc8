"""The event log's port: the interface that ingest, projections and feeds use.

A client's stream is a sequence of entries, numbered from 1 without gaps. An entry is one accepted
batch of events as NDJSON, or a change of the client's site. Entries are durable before they can be
read. Every adapter passes ``tests/contract/test_event_log.py``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from floorcast.model.inbound import LoggedEvent
from floorcast.model.token import TICKS_PER_SECOND

__all__ = [
    "HOUR",
    "NO_LIMIT",
    "RETENTION",
    "Appended",
    "Batch",
    "Entry",
    "EntryKind",
    "EventLog",
    "Head",
]

HOUR = 3600 * TICKS_PER_SECOND

RETENTION = 26 * 3600 * TICKS_PER_SECOND
"""How long entries are kept, in ticks.

This always covers the client's whole day, which has up to 25 hours.
"""

NO_LIMIT = 2**63 - 1
"""A tick that never comes."""

EntryKind = Literal["events", "site", "other"]
"""``other`` is a newer release's entry in a cluster's log. It is stored, but not read."""


class Entry(Struct, gc=False):
    """One durable entry of a client's stream.

    ``recorded_at`` is the time, in ticks, at which the log stored the entry. It strictly increases
    within a stream. ``events`` are the decoded lines of ``payload``, or None if the process that
    appended them no longer has them.
    """

    client: int
    number: int
    recorded_at: int
    kind: EntryKind
    count: int
    payload: bytes
    events: Sequence[LoggedEvent] | None = None


class Batch(NamedTuple):
    """Validated events to append. ``lines[i]`` is ``events[i]`` as JSON.

    The lines contain no newlines.
    """

    client: int
    lines: Sequence[bytes]
    events: Sequence[LoggedEvent]


class Appended(NamedTuple):
    """The result of appending a batch.

    All events of the batch are in entries up to ``number``. If all events were duplicates, this is
    the last entry. ``duplicates`` contains the duplicates' indices in the batch, in ascending
    order.
    """

    number: int
    duplicates: Sequence[int]


class Head(NamedTuple):
    """The newest durable entry of a stream: its number and time in ticks; (0, 0) for none."""

    number: int
    recorded_at: int


class EventLog(Protocol):
    """A durable, ordered log for each client, which stores each event once.

    Every method that waits for the disk raises ``Unavailable`` if the log cannot be read or
    written. After a failed append, no event of the batch ever becomes readable.
    """

    @property
    def identity(self) -> str:
        """The identity of this log, which is stored with derived data."""
        ...

    @property
    def healthy(self) -> bool:
        """Whether the last attempt to write succeeded."""
        ...

    @property
    def stall_reason(self) -> str:
        """The reason why a healthy log cannot be appended to, or empty if it can."""
        ...

    async def append(self, batch: Batch) -> Appended:
        """Store the events that the stream does not have yet. They are durable on return.

        Two events are the same if their ``(client, source, id)`` is the same, even within a batch.
        An event is remembered for the whole retention, and forgotten with its hour
        (``kept_since``). A batch that is too large for one entry becomes several entries, and
        either all or none of them are stored. Raises ``Unavailable``, without storing anything, if
        too much is in progress.
        """
        ...

    async def append_site(self, client: int, payload: bytes) -> int:
        """Store a change of the client's site as an entry. Returns its number.

        If the site is already current, no entry is stored, and the number is that of the last
        entry.
        """
        ...

    def read(self, client: int, after: int, limit: int) -> list[Entry]:
        """Return durable entries after number ``after``, oldest first.

        There are at most ``limit`` entries, or fewer if they are large, but at least one if any
        exists.
        """
        ...

    def follow(self, client: int, after: int) -> AsyncGenerator[Entry]:
        """Yield every durable entry after ``after``, in order: stored entries, then live ones.

        The iteration ends when the log is closed. A slow follower reads from the disk again and
        uses no additional memory.
        """
        ...

    def head(self, client: int) -> Head:
        """Return the newest durable entry of the client's stream."""
        ...

    def last_entry_at(self, client: int, ticks: int) -> int:
        """Return the number of the last entry recorded at or before ``ticks``, or 0 for none.

        Removed entries count, too.
        """
        ...

    def recorded_at(self, client: int, number: int) -> int | None:
        """Return the recording time of entry ``number``, in ticks, or None if it is not stored."""
        ...

    def ticks_behind(self, client: int) -> int:
        """Return for how many ticks this log may have lacked entries that other nodes have stored.

        Returns 0 if it is up to date.
        """
        ...

    def lost_until(self, client: int) -> int:
        """Return the tick up to which a missing entry may be lost permanently.

        A later entry that another node has published will still arrive. Returns ``NO_LIMIT`` if no
        other node writes to the log.
        """
        ...

    def last_removed(self, client: int) -> int:
        """Return the number of the last entry that retention has removed, or 0 for none."""
        ...

    def last_removed_site(self, client: int) -> Entry | None:
        """Return the last site entry that retention has removed.

        It contains the site that was current before the oldest stored entry.
        """
        ...

    def clients(self) -> list[int]:
        """Return the clients that have a stream."""
        ...

    async def recover(self, client: int, number: int) -> bool:
        """Fetch a damaged entry from another copy and restore it.

        Returns whether the entry is readable now. Raises Unavailable.
        """
        ...

    def steady_now(self) -> int:
        """Return the time in ticks, for code that deletes old data. Any thread can call this.

        A wall clock that has moved ahead is not trusted for an hour.
        """
        ...

    async def close(self) -> None:
        """Finish what is in progress, then close the files."""
        ...
