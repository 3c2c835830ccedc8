"""A copy of a node's data: made while the node works, and put where another one begins.

The files are copied in an order in which none knows more than a later one, as after a crash: what
is derived from the log may lag behind it, and never be ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import apsw

from floorcast.errors import Unavailable
from floorcast.eventlog.files import open_reader, remove
from floorcast.eventlog.logfile import Follows, LogReader

__all__ = ["FILES", "Held", "back_up", "held", "install"]

FILES = ("mirror.db", "keys.db", "log.db")


class Held(NamedTuple):
    """What a folder has of a log: of which, and how far of each stream."""

    follows: Follows
    positions: Mapping[str, int]


def held(folder: Path) -> Held | None:
    """What the folder has of a cluster's log, None for nothing. Raises Unavailable."""
    path = folder / "log.db"
    if not path.exists():
        return None
    try:
        reader = LogReader(path)
    except apsw.Error as error:
        raise Unavailable(f"{path} cannot be read: {error}") from error
    try:
        positions = reader.following()
        return Held(reader.follows(), positions) if positions else None
    except Unavailable:
        return None  # of a release that knew no clusters: opening it says what is to be done
    finally:
        reader.close()


def back_up(folder: Path, into: Path) -> dict[str, int]:
    """Copy the folder's files into another folder; their sizes in bytes. May wait.

    Raises Unavailable when the disk does not let it.
    """
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        for name in FILES:
            _copy(folder / name, into / name)
    except (apsw.Error, OSError) as error:
        raise Unavailable(f"no copy of the data can be made: {error}") from error
    return {name: (into / name).stat().st_size for name in FILES}


def install(copied: Path, folder: Path) -> None:
    """Move copied files to where a node begins, in place of what is there."""
    for name in FILES:
        remove(folder / name)
    for name in FILES:
        (copied / name).replace(folder / name)
    copied.rmdir()


def _copy(source: Path, target: Path) -> None:
    remove(target)
    reader, writer = open_reader(source, cache_kib=1024), apsw.Connection(str(target))
    try:
        with writer.backup("main", reader, "main") as backup:
            backup.step(-1)  # at once: what is written meanwhile is not in it
    finally:
        writer.close()
        reader.close()
