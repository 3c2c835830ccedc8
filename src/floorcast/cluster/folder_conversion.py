"""Converts an embedded folder to one that follows a cluster's log, and back.

The entries keep their numbers and times, so all tokens stay valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import apsw

from floorcast.log.data_folder import require_log
from floorcast.log.folder_copy import FolderContents, read_contents
from floorcast.log.log_file import CACHE_KIB, PAGE_BYTES, FollowedLog, StreamPosition, open_log
from floorcast.log.log_reader import LogReader
from floorcast.model.errors import SettingError
from floorcast.sqlite.files import connect, transaction

__all__ = [
    "EmbeddedState",
    "begin_following",
    "continue_from",
    "end_following",
    "read_cluster_folder",
    "read_embedded_folder",
]

FOLLOW = """
INSERT INTO following (stream, clients, seq, checksum)
VALUES (?1, ?2, ?3, floorcast_checksum(?1, ?3, 0, x''))
"""
CONTINUE_FROM = """
UPDATE following SET seq = ?2, taken = 0, digest = x'', generation = ?3,
    checksum = floorcast_checksum(?1, ?2, 0, x'')
WHERE stream = ?1
"""
STOP_FOLLOWING = "DELETE FROM following"


class EmbeddedState(NamedTuple):
    """An embedded folder's log: its identity, and the number of each client's newest entry."""

    identity: str
    heads: Mapping[int, int]


def read_embedded_folder(folder: Path) -> EmbeddedState:
    """Read the log of an embedded folder. Raises SettingError if there is none."""
    path = folder / "log.db"
    require_log(folder)
    open_log(path).close()
    reader = LogReader(path)
    try:
        heads = {stream.client: stream.head.number for stream in reader.streams()}
        return EmbeddedState(reader.identity(), heads)
    finally:
        reader.close()


def begin_following(folder: Path, stream_positions: list[StreamPosition]) -> None:
    """Make the folder's log follow these streams, for all clients."""
    connection = open_log(folder / "log.db")
    try:
        with transaction(connection):
            connection.executemany(
                FOLLOW, [(position.stream, "", position.seq) for position in stream_positions]
            )
    except apsw.Error as error:
        raise SettingError(f"{folder} cannot be written: {error}") from error
    finally:
        connection.close()


def continue_from(folder: Path, positions: list[StreamPosition]) -> None:
    """Make the folder's copy continue after these positions, which are of another generation."""
    connection = connect(
        folder / "log.db", page_size=PAGE_BYTES, synchronous="FULL", cache_kib=CACHE_KIB
    )
    rows = [(position.stream, position.seq, position.generation) for position in positions]
    try:
        with transaction(connection):
            connection.executemany(CONTINUE_FROM, rows)
    except apsw.Error as error:
        raise SettingError(f"{folder} cannot be written: {error}") from error
    finally:
        connection.close()


def read_cluster_folder(folder: Path) -> FolderContents:
    """Read a folder that follows a cluster.

    Raises SettingError if the folder does not follow a cluster, or does not have all clients.
    """
    found = read_contents(folder)
    if found is None:
        raise SettingError(f"{folder} holds no copy of a cluster's log")
    if found.followed_log.clients:
        raise SettingError(
            f"{folder} holds only the clients {found.followed_log.clients}: use the folder of a "
            "node that has all clients"
        )
    return found


def end_following(folder: Path, followed_log: FollowedLog) -> None:
    """Turn a folder that follows the log ``followed_log`` into an embedded one."""
    connection = open_log(folder / "log.db", followed_log)
    try:
        connection.execute(STOP_FOLLOWING)
    except apsw.Error as error:
        raise SettingError(f"{folder} cannot be written: {error}") from error
    finally:
        connection.close()
