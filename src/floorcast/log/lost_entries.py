"""Detects that the log has lost entries. The server then starts only with ``--accept-loss``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw
import structlog
from msgspec import Struct

from floorcast.log.log_file import StreamRow
from floorcast.log.log_reader import LogReader
from floorcast.model.errors import SettingError, Unavailable
from floorcast.sqlite.derived_files import SourceLog, read_source

__all__ = ["KnownLog", "check_log"]

DERIVED = ("mirror.db", "keys.db")
AHEAD_SUFFIX = ".ahead"  # suffix of a file that was ahead of the log

_log = structlog.get_logger(__name__)


class KnownLog(Struct):
    """The log as recorded in ``admin.db``: its identity, and the newest entry of each client."""

    identity: str
    heads: dict[int, int]


class _FoundLog(NamedTuple):
    """The log that was found: its identity, or "" if there is no log, and its streams by client."""

    identity: str
    streams: Mapping[int, StreamRow]


class _Loss(NamedTuple):
    """A client's log ends at entry ``ends``, but file ``known_by`` refers to entry ``known``."""

    client: int
    ends: int
    known: int
    known_by: str


def check_log(folder: Path, known_log: KnownLog | None, *, accept_loss: bool) -> None:
    """Compare the log of a data folder with the other files of the folder.

    If the other files refer to entries after the log's end, acknowledged entries are missing. In
    that case, this raises SettingError and changes nothing. With ``accept_loss``, it instead
    renames the derived files, which are ahead of the log.
    """
    path = folder / "log.db"
    sources = {name: read_source(folder / name) for name in DERIVED}
    if known_log is not None:
        sources["admin.db"] = SourceLog(known_log.identity, known_log.heads)
    found = {name: source for name, source in sources.items() if source is not None}
    losses = list(_losses(found, _read_log(path)))
    if not losses:
        return
    summary = "; ".join(
        f"the log of client {loss.client} ends at entry {loss.ends}, and {loss.known_by} knows"
        f" entry {loss.known}"
        for loss in losses[:3]
    )
    if not accept_loss:
        raise SettingError(
            f"events that were acknowledged are missing from {path}: {summary}. Put the missing "
            "log.db or log.db-wal back, or restore a backup. To continue without those events, "
            "start once with --accept-loss"
        )
    for loss in losses:
        _log.error("loss_accepted", client=loss.client, ends=loss.ends, known=loss.known)
    for name in DERIVED:
        _move_aside(folder / name)


def _read_log(path: Path) -> _FoundLog | None:
    """Return the log's contents: empty if the log is missing or empty, None if it is unreadable."""
    if not path.exists():
        return _FoundLog("", {})
    try:
        with closing(LogReader(path)) as reader:
            identity = reader.identity()
            return _FoundLog(identity, {stream.client: stream for stream in reader.streams()})
    except apsw.SQLError:  # without tables, because its write-ahead log is gone
        return _FoundLog("", {})
    except (apsw.Error, Unavailable):
        return None  # opening the log for writing raises the error


def _losses(sources: Mapping[str, SourceLog], found: _FoundLog | None) -> Iterator[_Loss]:
    if found is None:
        return
    for name, source in sources.items():
        # derived files of another log are rebuilt; admin.db knows this server's log
        if source.log != found.identity and found.identity and name in DERIVED:
            continue
        same = source.log == found.identity
        for client, known in source.newest_entries.items():
            stream = found.streams.get(client) if same else None
            ends = 0 if stream is None else stream.head.number
            if ends < known and not (stream is not None and stream.damaged):
                yield _Loss(client, ends, known, name)


def _move_aside(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.replace(path.with_name(path.name + AHEAD_SUFFIX + suffix))
