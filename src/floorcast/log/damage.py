"""Finds damage in a data folder, and skips damaged entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import apsw

from floorcast.log.log_file import StreamRow, first_id, open_log
from floorcast.log.log_reader import LogReader
from floorcast.model.errors import DamagedEntry, SettingError, Unavailable
from floorcast.model.inbound import UnknownEvent, read_lines

__all__ = ["Damage", "damaged_entries", "entry_count", "skip_entry"]

READ_ENTRIES = 64  # entries read at a time

ADD_SKIPPED = "INSERT OR IGNORE INTO skipped (id) VALUES (?)"


class Damage(NamedTuple):
    """A damaged entry. ``recorded_at`` is in ticks, or None if unknown."""

    client: int
    number: int
    recorded_at: int | None
    why: str


def entry_count(folder: Path) -> int:
    """Return the number of entries that the folder's log has. Raises Unavailable."""
    reader = _open_reader(folder)
    try:
        return sum(map(reader.stored_count, reader.streams()))
    finally:
        reader.close()


def damaged_entries(
    folder: Path, on_read: Callable[[int], None] = lambda _: None
) -> Iterator[Damage]:
    """Yield every damaged entry of the folder's log that is not skipped. Raises Unavailable.

    ``on_read`` receives the number of entries read so far.
    """
    reader = _open_reader(folder)
    before = 0
    try:
        for stream in reader.streams():
            removed = reader.last_removed(stream.ordinal)

            def on_reached(number: int, first: int = before - removed) -> None:
                on_read(first + number)

            yield from _damaged_in(reader, stream, on_reached)
            before += stream.head.number - removed
            if stream.damaged:
                why = "the pages at the end of the client's log cannot be read"
                yield Damage(stream.client, stream.head.number + 1, None, why)
    finally:
        reader.close()


def _open_reader(folder: Path) -> LogReader:
    try:
        return LogReader(folder / "log.db")
    except apsw.Error as error:
        raise Unavailable(f"log.db cannot be opened: {error}") from error


def _damaged_in(
    reader: LogReader, stream: StreamRow, on_reached: Callable[[int], None]
) -> Iterator[Damage]:
    after = 0
    while True:
        try:
            entries = reader.read(stream, after, READ_ENTRIES)
        except DamagedEntry as error:
            yield Damage(error.client, error.number, error.recorded_at, error.why)
            after = max(after + 1, error.number)  # an id may also be damaged
            continue
        if not entries:
            return
        for entry in entries:
            if entry.kind == "events" and (why := _find_damage(entry.payload, entry.count)):
                yield Damage(entry.client, entry.number, entry.recorded_at, why)
        after = entries[-1].number
        on_reached(after)


def _find_damage(payload: bytes, count: int) -> str:
    """Return why the events of an entry cannot be read, or "" if they can."""
    found = payload.count(b"\n") + 1
    if found != count:
        return f"it has {found} events, not {count}"
    for index, event in enumerate(read_lines(payload), 1):
        # a newer release's event has an id and a source, so it is not damaged
        if type(event) is UnknownEvent and not event.source:
            return f"its event {index} cannot be read: it has no id and source"
    return ""


def skip_entry(folder: Path, client: int, number: int) -> None:
    """Skip a damaged entry from now on. Its events are lost, and its number stays unused.

    The server that uses the folder must be stopped first. Raises SettingError if there is no such
    entry, or if the entry is not damaged.
    """
    path = folder / "log.db"
    connection = open_log(path)
    reader = LogReader(path)
    try:
        streams = [stream for stream in reader.streams() if stream.client == client]
        if not streams or not 0 < number <= streams[0].head.number:
            raise SettingError(f"{path} has no entry {number} of client {client}")
        if not _is_damaged(reader, streams[0], number):
            raise SettingError(f"entry {number} of client {client} is not damaged and is kept")
        connection.execute(ADD_SKIPPED, (first_id(streams[0].ordinal) + number,))
    except apsw.Error as error:
        raise Unavailable(f"{path} cannot be written: {error}") from error
    finally:
        reader.close()
        connection.close()


def _is_damaged(reader: LogReader, stream: StreamRow, number: int) -> bool:
    try:
        reader.read(stream, number - 1, 1)
    except DamagedEntry as error:
        return error.number == number
    return False
