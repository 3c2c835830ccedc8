"""The event log's port: the interface for ingest, projections and feeds.

A client's stream is a sequence of entries, numbered from 1 without gaps. An entry is one accepted
batch of events as NDJSON, or a change of the client's site. Entries are durable before they can be
read, and every adapter passes ``tests/contract/test_event_log.py``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from floorcast.model.inbound import LoggedEvent
from floorcast.model.token import TICKS_PER_SECOND

__all__ = [
    "ALWAYS",
    "HOUR",
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
"""The retention of entries, in ticks: always the client's whole day, of up to 25 hours."""

ALWAYS = 2**63 - 1
"""A tick that never comes."""

EntryKind = Literal["events", "site", "other"]
"""``other`` is a newer release's entry in a cluster's log, which is stored but not read."""


class Entry(Struct, gc=False):
    """One durable entry of a client's stream.

    ``recorded_at`` is the time in ticks at which the log stored it; it grows strictly within the
    stream. ``events`` are the decoded lines of ``payload`` if the appending process still has them,
    else None.
    """

    client: int
    number: int
    recorded_at: int
    kind: EntryKind
    count: int
    payload: bytes
    events: Sequence[LoggedEvent] | None = None


class Batch(NamedTuple):
    """Checked events to append: ``lines[i]`` is ``events[i]`` as JSON.

    A line contains no newline.
    """

    client: int
    lines: Sequence[bytes]
    events: Sequence[LoggedEvent]


class Appended(NamedTuple):
    """The result of appending a batch.

    After entry ``number``, the whole batch can be read (the last entry, if all events were
    duplicates). ``duplicates`` are indices in the batch, ascending.
    """

    number: int
    duplicates: Sequence[int]


class Head(NamedTuple):
    """The newest durable entry of a stream: its number and time in ticks; (0, 0) for none."""

    number: int
    recorded_at: int


class EventLog(Protocol):
    """A durable, ordered log per client that stores each event once.

    Every method that waits for the disk raises ``Unavailable`` if the log cannot be read or
    written. After a failed append nothing of the batch is, or ever becomes, readable.
    """

    @property
    def identity(self) -> str:
        """Identifies this log, for the data that is derived from it."""
        ...

    @property
    def healthy(self) -> bool:
        """Whether the last attempt to write succeeded."""
        ...

    @property
    def stalled(self) -> str:
        """The reason why a healthy log cannot be appended to; empty if it can."""
        ...

    async def append(self, batch: Batch) -> Appended:
        """Store the events that the stream does not have yet. They are durable when it returns.

        ``(client, source, id)`` identifies an event for the whole retention, also within a batch;
        it is forgotten with its hour (``kept_since``). A batch that is too large for one entry
        becomes several, of which all or none are stored. Raises ``Unavailable``, without storing
        anything, if too much is in progress.
        """
        ...

    async def append_site(self, client: int, payload: bytes) -> int:
        """Store a change of the client's site as an entry. Returns its number.

        A site that is already current makes no entry. The number is then that of the last entry.
        """
        ...

    def read(self, client: int, after: int, limit: int) -> list[Entry]:
        """Durable entries after number ``after``, oldest first.

        Returns at most ``limit`` entries, and fewer if they are large, but at least one if there is
        any.
        """
        ...

    def follow(self, client: int, after: int) -> AsyncGenerator[Entry]:
        """Every durable entry after ``after``, in order: stored ones, then live ones.

        Ends when the log is closed. A slow follower reads from the disk again and uses no
        additional memory.
        """
        ...

    def head(self, client: int) -> Head:
        """The newest durable entry of the client's stream."""
        ...

    def last_at(self, client: int, ticks: int) -> int:
        """The number of the last entry recorded at or before ``ticks``; 0 if there is none.

        Removed entries count.
        """
        ...

    def recorded_at(self, client: int, number: int) -> int | None:
        """The recording time of entry ``number``, in ticks; None if it is not stored."""
        ...

    def lost_until(self, client: int) -> int:
        """The tick up to which a missing entry may be lost permanently.

        A later entry that another node has published will arrive. ``ALWAYS`` if no other node
        writes to the log.
        """
        ...

    def removed(self, client: int) -> int:
        """The number of the last entry that retention removed; 0 for none."""
        ...

    def removed_site(self, client: int) -> Entry | None:
        """The last site entry that retention removed: the site before the oldest entry."""
        ...

    def clients(self) -> list[int]:
        """The clients that have a stream."""
        ...

    async def recover(self, client: int, number: int) -> bool:
        """Fetch a damaged entry from another copy and restore it.

        Returns whether it is readable now. Raises Unavailable.
        """
        ...

    def steady_now(self) -> int:
        """The time in ticks for code that deletes old data; can be called from any thread.

        A wall clock that has moved ahead is not trusted for an hour.
        """
        ...

    async def close(self) -> None:
        """Finish what is in progress, then close the files."""
        ...
