"""Copies a node's data while the node runs, and installs the copy for another node.

The files are copied in an order in which no file is ahead of a later one. As after a crash, derived
data can lag behind the log but is never ahead of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import apsw

from floorcast.log.data_folder import flush_folder
from floorcast.log.log_file import FollowedLog, StreamPosition
from floorcast.log.log_reader import LogReader
from floorcast.model.errors import Unavailable
from floorcast.sqlite.files import fetch_one, open_reader, remove

__all__ = [
    "FILES",
    "FolderContents",
    "back_up",
    "copy_file",
    "database_bytes",
    "install",
    "read_contents",
]

FILES = ("mirror.db", "keys.db", "log.db")
STEP_PAGES = 256  # pages copied at a time


class FolderContents(NamedTuple):
    """The log that a folder is a copy of, and its position in each of the log's streams."""

    followed_log: FollowedLog
    stream_positions: Mapping[str, StreamPosition]


def read_contents(folder: Path) -> FolderContents | None:
    """Return the part of a cluster's log that the folder has, or None. Raises Unavailable."""
    path = folder / "log.db"
    if not path.exists():
        return None
    try:
        reader = LogReader(path)
    except apsw.Error as error:
        raise Unavailable(f"{path} cannot be read: {error}") from error
    try:
        stream_positions = reader.stream_positions()
        return FolderContents(reader.followed_log(), stream_positions) if stream_positions else None
    except Unavailable:
        return None  # written by a release without clusters; opening it raises an error with advice
    finally:
        reader.close()


def back_up(folder: Path, target: Path) -> dict[str, int]:
    """Copy the folder's files to another folder, and return their sizes in bytes. May block.

    Raises Unavailable if the disk fails.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        for name in FILES:
            copy_file(folder / name, target / name)
    except (apsw.Error, OSError) as error:
        raise Unavailable(f"the data cannot be copied: {error}") from error
    return {name: (target / name).stat().st_size for name in FILES}


def install(copied: Path, folder: Path) -> None:
    """Replace a node's files with the copied ones."""
    for name in FILES:
        remove(folder / name)
    for name in FILES:
        (copied / name).replace(folder / name)
    copied.rmdir()
    flush_folder(folder)


def database_bytes(path: Path) -> int:
    """Return the size of a SQLite file's copy, which includes the pages in its write-ahead log.

    Raises apsw.Error.
    """
    reader = open_reader(path, cache_kib=64)
    try:
        return int(reader.pragma("page_count")) * int(reader.pragma("page_size"))
    finally:
        reader.close()


def copy_file(source: Path, target: Path, on_step: Callable[[int], object] = bool) -> None:
    """Copy a consistent state of a SQLite file while others write to it, and flush the copy.

    ``on_step`` is called with the number of bytes of each step. Raises apsw.Error and OSError.
    """
    remove(target)
    reader, writer = open_reader(source, cache_kib=1024), apsw.Connection(str(target))
    try:
        page = int(reader.pragma("page_size"))
        with reader:  # all steps read the same state
            fetch_one(reader, "SELECT count(*) FROM sqlite_schema")
            with writer.backup("main", reader, "main") as backup:
                pages = 0
                while not backup.done:
                    backup.step(STEP_PAGES)
                    step = backup.page_count - backup.remaining - pages
                    pages += step
                    on_step(step * page)
    finally:
        writer.close()
        reader.close()
    with target.open("rb+") as file:
        os.fsync(file.fileno())
