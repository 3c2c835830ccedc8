"""``log.db``: its schema, how entries are numbered in it, and what is read from it.

One row an entry, in one B-tree: a row's id packs its stream's ordinal (a small number that
each client gets) and the entry's number, so that a stream is a range of ids. A stream's row
remembers what the retention removed from its front.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import apsw

from floorcast.log.port import Entry, EntryKind, Head
from floorcast.model.errors import SettingError
from floorcast.sqlite.files import (
    Schema,
    connect,
    fetch,
    fetch_one,
    migrate,
    open_reader,
    reading,
    transaction,
)

__all__ = [
    "KINDS",
    "SITE",
    "Follows",
    "LogReader",
    "StreamPosition",
    "StreamRow",
    "first_id",
    "open_log",
    "ordinal_of",
]

STEPS = (
    """
CREATE TABLE origin (identity TEXT NOT NULL);
CREATE TABLE streams (
    ordinal INTEGER PRIMARY KEY,
    client INTEGER NOT NULL UNIQUE,
    removed INTEGER NOT NULL DEFAULT 0,
    removed_taken INTEGER NOT NULL DEFAULT 0,
    site_number INTEGER,
    site_taken INTEGER,
    site BLOB
);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    taken INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    count INTEGER NOT NULL,
    payload BLOB NOT NULL
);
""",
    """
CREATE INDEX site_entries ON entries (id) WHERE kind = 1;
CREATE TABLE following (
    stream TEXT PRIMARY KEY,
    clients TEXT NOT NULL,
    seq INTEGER NOT NULL
);
""",
    """
ALTER TABLE following ADD COLUMN taken INTEGER NOT NULL DEFAULT 0;
ALTER TABLE following ADD COLUMN digest BLOB NOT NULL DEFAULT x'';
ALTER TABLE following ADD COLUMN generation TEXT NOT NULL DEFAULT '';
""",
)
"""The schema, a step a change. A step that was released is never changed again."""

NUMBER_BITS = 44
APPLICATION = 0x666C6361  # "flca", so that file(1) and we can tell the file from others
PAGE = 16384  # bytes: a thousand events are 25 pages and not 100
CACHE_KIB = 4096
READ_BYTES = 2 << 20  # read at a time, so that no turn of the event loop becomes long

SITE = 1
KINDS: tuple[EntryKind, ...] = ("events", "site", "other")

HEADS = "SELECT ordinal, client, removed, removed_taken, site FROM streams ORDER BY ordinal"
LAST = "SELECT id, taken FROM entries WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1"
READ = """
SELECT id, taken, kind, count, payload FROM entries
WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
"""
TAKEN = "SELECT taken FROM entries WHERE id = ?"
BEGIN_FOLLOWING = "INSERT INTO following (stream, clients, seq) VALUES (?, ?, 0)"
KEEP_FOLLOWING = "UPDATE following SET clients = ?"
LAST_SITE = """
SELECT payload FROM entries WHERE kind = 1 AND id >= ? AND id < ? ORDER BY id DESC LIMIT 1
"""
FOLLOWING = "SELECT stream, clients FROM following"
POSITIONS = "SELECT stream, seq, taken, digest, generation FROM following"
REMOVED = "SELECT removed FROM streams WHERE ordinal = ?"
REMOVED_SITE = "SELECT client, site_number, site_taken, site FROM streams WHERE ordinal = ?"


class StreamRow(NamedTuple):
    """A stream as it is found: its head is the newest entry, removed or not.

    ``site`` is the newest site entry's payload, removed or not.
    """

    ordinal: int
    client: int
    head: Head
    site: bytes | None = None


class Follows(NamedTuple):
    """The log that a file is a copy of: its identity, and the names of its streams.

    ``clients`` are those whose entries it has, with commas between them; empty: all.
    """

    identity: str
    streams: Sequence[str]
    clients: str = ""

    def covers(self, other: Follows) -> bool:
        """Whether a copy of this has everything that one of the other has."""
        same = (self.identity, set(self.streams)) == (other.identity, set(other.streams))
        mine, others = set(self.clients.split(",")), set(other.clients.split(","))
        return same and (not self.clients or mine >= others)


class StreamPosition(NamedTuple):
    """How far a stream of a cluster has been copied: up to and including message ``seq``.

    ``recorded_at`` (ticks) and ``digest`` are those of that message; ``digest`` is empty where
    an older release copied it. ``generation`` changes when an operator repairs the stream.
    """

    stream: str
    seq: int
    recorded_at: int = 0
    digest: bytes = b""
    generation: str = ""


def first_id(ordinal: int) -> int:
    """The id that a stream's entry 0 would have; entry n is n behind it."""
    return ordinal << NUMBER_BITS


def ordinal_of(row_id: int) -> int:
    """The ordinal of the stream that a row belongs to."""
    return row_id >> NUMBER_BITS


def open_log(path: Path, follows: Follows | None = None) -> apsw.Connection:
    """Open the file for its writer, and bring its schema up to date.

    Raises SettingError when it is not a log, is one of a newer release, cannot be opened, or
    does not follow what it should.
    """
    try:
        connection = connect(path, page_size=PAGE, synchronous="FULL", cache_kib=CACHE_KIB)
        migrate(connection, Schema(APPLICATION, STEPS), str(path))
        if connection.execute("SELECT count(*) FROM origin").get == 0:
            identity = uuid.uuid4().hex if follows is None else follows.identity
            with transaction(connection):
                connection.execute("INSERT INTO origin VALUES (?)", (identity,))
                if follows is not None:
                    rows = [(name, follows.clients) for name in follows.streams]
                    connection.executemany(BEGIN_FOLLOWING, rows)
        _check_origin(connection, path, follows)
        if follows is not None:
            connection.execute(KEEP_FOLLOWING, (follows.clients,))
    except (OSError, apsw.Error) as error:
        raise SettingError(f"{path} cannot be opened: {error}") from error
    return connection


def _check_origin(connection: apsw.Connection, path: Path, follows: Follows | None) -> None:
    identity = connection.execute("SELECT identity FROM origin").get
    streams = {stream for stream, _ in fetch(connection, FOLLOWING)}
    if follows is None and streams:
        raise SettingError(
            f"{path} follows a cluster's log: give the cluster with --log, or make an embedded "
            "folder of it with 'floorcast cluster export'"
        )
    if follows is not None and (identity, streams) != (follows.identity, set(follows.streams)):
        raise SettingError(
            f"{path} is not a copy of this cluster's log: give another folder with --data, or "
            "move an embedded folder into a new cluster with 'floorcast cluster import'"
        )


class LogReader:
    """Reads what is durable; every method raises Unavailable when the disk fails."""

    def __init__(self, path: Path) -> None:
        self._connection = open_reader(path, cache_kib=CACHE_KIB)

    def identity(self) -> str:
        """What tells this log from every other one."""
        return str(self._connection.execute("SELECT identity FROM origin").get)

    def streams(self) -> list[StreamRow]:
        """All streams with their heads."""
        found = []
        with reading():
            for ordinal, client, removed, removed_taken, old_site in fetch(self._connection, HEADS):
                ends = first_id(ordinal), first_id(ordinal + 1)
                newer_site = fetch_one(self._connection, LAST_SITE, ends)
                last = fetch_one(self._connection, LAST, ends)
                head = Head(removed, removed_taken)
                if last is not None:
                    head = Head(last[0] - ends[0], last[1])
                site = old_site if newer_site is None else newer_site[0]
                found.append(StreamRow(ordinal, client, head, site))
        return found

    def following(self) -> dict[str, StreamPosition]:
        """How far each stream that is followed has been copied, by its name."""
        with reading():
            found = [StreamPosition(*row) for row in fetch(self._connection, POSITIONS)]
        return {each.stream: each for each in found}

    def follows(self) -> Follows:
        """What this is a copy of, for one that follows."""
        with reading():
            rows = fetch(self._connection, FOLLOWING)
        return Follows(self.identity(), [stream for stream, _ in rows], rows[0][1])

    def read(self, stream: StreamRow, after: int, limit: int) -> list[Entry]:
        """Entries behind ``after`` up to the stream's head, oldest first: the port's ``read``."""
        start = first_id(stream.ordinal)
        entries: list[Entry] = []
        size = 0
        with reading():
            bounds = start + max(after, 0), start + stream.head.number, limit
            for row_id, recorded_at, kind, count, payload in self._connection.execute(READ, bounds):
                size += len(payload)
                if entries and size > READ_BYTES:
                    break
                entries.append(
                    Entry(stream.client, row_id - start, recorded_at, KINDS[kind], count, payload)
                )
        return entries

    def taken_at(self, ordinal: int, number: int) -> int | None:
        """When an entry was taken; None when it is not stored."""
        with reading():
            row = fetch_one(self._connection, TAKEN, (first_id(ordinal) + number,))
        return None if row is None else int(row[0])

    def last_at(self, stream: StreamRow, ticks: int) -> int:
        """The last entry taken at or before ``ticks``; removed ones count as taken then."""
        low, high = self.removed(stream.ordinal), stream.head.number
        while low < high:
            middle = (low + high + 1) // 2
            recorded_at = self.taken_at(stream.ordinal, middle)
            if recorded_at is None or recorded_at <= ticks:  # None: removed while we search
                low = middle
            else:
                high = middle - 1
        return low

    def removed(self, ordinal: int) -> int:
        """The last entry that the retention removed, 0 for none."""
        with reading():
            row = fetch_one(self._connection, REMOVED, (ordinal,))
        return 0 if row is None else int(row[0])

    def removed_site(self, ordinal: int) -> Entry | None:
        """The last site entry that the retention removed."""
        with reading():
            row = fetch_one(self._connection, REMOVED_SITE, (ordinal,))
        if row is None or row[1] is None:
            return None
        client, number, recorded_at, payload = row
        return Entry(client, number, recorded_at, "site", 0, payload)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
