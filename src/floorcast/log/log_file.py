"""The file ``log.db``: how it is opened, and how its entries are numbered.

Each entry is one row in a single B-tree. A row's id combines the ordinal of its stream (a small
number for each client) with the entry's number, so that a stream is a range of ids. The row of a
stream in ``streams`` contains the number and time of the last entry that retention has removed.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import apsw

from floorcast.log.port import EntryKind, Head
from floorcast.log.schema import STEPS
from floorcast.model.errors import SettingError
from floorcast.sqlite.files import (
    Schema,
    connect,
    fetch,
    migrate,
    transaction,
)

__all__ = [
    "KINDS",
    "SCHEMA",
    "SITE",
    "FollowedLog",
    "StreamPosition",
    "StreamRow",
    "first_id",
    "open_log",
]

NUMBER_BITS = 44
APPLICATION = 0x666C6361  # "flca", which identifies the file
SCHEMA = Schema(APPLICATION, STEPS)
PAGE_BYTES = 16384  # bytes; a thousand events take 25 pages instead of 100
CACHE_KIB = 4096

SITE = 1
KINDS: tuple[EntryKind, ...] = ("events", "site", "other")

ADD_FOLLOWED_STREAM = """
INSERT INTO following (stream, clients, seq, checksum)
VALUES (?1, ?2, 0, floorcast_checksum(?1, 0, 0, x''))
"""
UPDATE_CLIENTS = "UPDATE following SET clients = ?"
LAST_SITE = """
SELECT payload FROM entries WHERE kind = 1 AND id >= ? AND id < ? ORDER BY id DESC LIMIT 1
"""
FOLLOWED_STREAMS = "SELECT stream, clients FROM following"


class StreamRow(NamedTuple):
    """A stored stream.

    ``head`` is its newest entry, and ``site`` is the payload of its newest site entry, even if
    retention has removed them. If the stream is ``damaged``, its end cannot be read. ``head`` is
    then the newest readable entry, and nothing can be appended.
    """

    ordinal: int
    client: int
    head: Head
    site: bytes | None = None
    damaged: bool = False


class FollowedLog(NamedTuple):
    """The log that a file is a copy of: its identity, and the names of its streams.

    ``clients`` lists the clients whose entries the file has, separated by commas. It is empty if
    the file has all clients.
    """

    identity: str
    streams: Sequence[str]
    clients: str = ""

    def covers(self, other: FollowedLog) -> bool:
        """Return whether a copy of this log has everything that a copy of ``other`` has."""
        same = (self.identity, set(self.streams)) == (other.identity, set(other.streams))
        own_clients, other_clients = set(self.clients.split(",")), set(other.clients.split(","))
        return same and (not self.clients or own_clients >= other_clients)


class StreamPosition(NamedTuple):
    """A copy's position in a cluster's stream. The copy has all messages up to ``seq``.

    ``recorded_at`` (ticks) and ``digest`` belong to message ``seq``. ``digest`` is empty if an
    older release copied the message. ``generation`` changes when an operator repairs the stream.
    """

    stream: str
    seq: int
    recorded_at: int = 0
    digest: bytes = b""
    generation: str = ""


def first_id(ordinal: int) -> int:
    """Return the id of a stream's entry 0, which does not exist. Entry n has this id plus n."""
    return ordinal << NUMBER_BITS


def open_log(path: Path, followed_log: FollowedLog | None = None) -> apsw.Connection:
    """Open the file for its writer and upgrade its schema.

    Raises SettingError if the file is not a log, was written by a newer release, cannot be opened,
    or follows another log.
    """
    try:
        connection = connect(path, page_size=PAGE_BYTES, synchronous="FULL", cache_kib=CACHE_KIB)
        migrate(connection, SCHEMA, str(path))
        if connection.execute("SELECT count(*) FROM origin").get == 0:
            identity = uuid.uuid4().hex if followed_log is None else followed_log.identity
            with transaction(connection):
                connection.execute("INSERT INTO origin VALUES (?)", (identity,))
                if followed_log is not None:
                    rows = [(name, followed_log.clients) for name in followed_log.streams]
                    connection.executemany(ADD_FOLLOWED_STREAM, rows)
        _check_origin(connection, path, followed_log)
        if followed_log is not None:
            connection.execute(UPDATE_CLIENTS, (followed_log.clients,))
    except (OSError, apsw.Error) as error:
        raise SettingError(f"{path} cannot be opened: {error}") from error
    return connection


def _check_origin(
    connection: apsw.Connection, path: Path, followed_log: FollowedLog | None
) -> None:
    identity = connection.execute("SELECT identity FROM origin").get
    streams = {stream for stream, _ in fetch(connection, FOLLOWED_STREAMS)}
    if followed_log is None and streams:
        raise SettingError(
            f"{path} follows a cluster's log: name the cluster with --log, or turn this folder "
            "into an embedded one with 'floorcast cluster export'"
        )
    if followed_log is not None and (identity, streams) != (
        followed_log.identity,
        set(followed_log.streams),
    ):
        raise SettingError(
            f"{path} is not a copy of this cluster's log: name another folder with --data, or "
            "move an embedded folder into a new cluster with 'floorcast cluster import'"
        )
