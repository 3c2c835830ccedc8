"""Files of derived data, which are rebuilt if they do not match their log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw
import structlog

from floorcast.model.errors import SettingError
from floorcast.sqlite.checksums import ROW_SUMS, ChecksummedTable, checksum_schema, row_checksum
from floorcast.sqlite.files import connect, fetch, remove, transaction

__all__ = [
    "CHECKS",
    "CHECKSUMMED_TABLES",
    "Layout",
    "SourceLog",
    "creation_statements",
    "open_derived",
    "read_source",
    "record_progress",
]

CHECKPOINT_BYTES = 512 * 1024
"""The size of the write-ahead log at which a checkpoint begins.

Its pages are flushed at once, and a long flush delays the log's commits on the same disk.
"""

CHECKSUMMED_TABLES = (
    ChecksummedTable("source", ["rowid"], ["log", "schema"]),
    ChecksummedTable("reached", ["client"], ["entry"], inline=True),
)
"""The tables that every derived file has and whose rows have checksums."""

CHECKS = ROW_SUMS + checksum_schema(*CHECKSUMMED_TABLES)
"""The step that adds the checksums of these tables to a layout.

A layout adds the checksums of its own tables after it.
"""

SCHEMA = """
CREATE TABLE source (log TEXT NOT NULL, schema TEXT NOT NULL);
CREATE TABLE reached (client INTEGER PRIMARY KEY, entry INTEGER NOT NULL);
"""
RECORD_PROGRESS = """
INSERT INTO reached (client, entry, checksum) VALUES (?, ?, ?)
ON CONFLICT (client) DO UPDATE SET entry = excluded.entry, checksum = excluded.checksum
WHERE entry < excluded.entry
"""

_log = structlog.get_logger(__name__)


class Layout(NamedTuple):
    """The layout of a file.

    ``steps`` are the changes that later releases have made to ``schema``, in order. A file's
    ``user_version`` counts the steps applied to it. A file with another ``schema`` is rebuilt.
    """

    schema: str
    page_size: int
    steps: Sequence[str] = ()


class SourceLog(NamedTuple):
    """The log that a file was derived from: its identity, and each client's last known entry."""

    log: str
    newest_entries: Mapping[int, int]


def open_derived(
    path: Path | None,
    layout: Layout,
    *,
    cache_kib: int,
    identity: str,
    heads: Mapping[int, int],
) -> apsw.Connection:
    """Open the file for its only writer, or in memory if ``path`` is None.

    ``identity`` is the log's identity, and ``heads`` contains its newest entries by client. The
    file is deleted first if it belongs to another log, has more entries than the log, has another
    layout or is damaged, because all its data can be rebuilt. Raises SettingError if the file still
    cannot be opened.
    """
    if path is not None and path.exists() and not _is_usable(path, layout, identity, heads):
        _log.warning("derived_data_remade", file=path.name)
        remove(path)
    try:
        connection = connect(
            path, page_size=layout.page_size, synchronous="NORMAL", cache_kib=cache_kib
        )
        connection.pragma("wal_autocheckpoint", CHECKPOINT_BYTES // layout.page_size)
        with transaction(connection):
            if connection.pragma("schema_version") == 0:
                connection.execute(creation_statements(layout))
                connection.execute("INSERT INTO source VALUES (?, ?)", (identity, layout.schema))
            for step in layout.steps[connection.pragma("user_version") :]:
                connection.execute(step)
            connection.execute(f"PRAGMA user_version = {len(layout.steps)}")
    except (OSError, apsw.Error) as error:
        raise SettingError(f"{path} cannot be opened: {error}") from error
    return connection


def creation_statements(layout: Layout) -> str:
    """Return the statements that create a file of the layout, without its later steps."""
    return SCHEMA + layout.schema


def record_progress(connection: apsw.Connection, client: int, entry: int) -> None:
    """Record that the file has the client's stream up to ``entry``."""
    connection.execute(RECORD_PROGRESS, (client, entry, row_checksum(client, entry)))


def read_source(path: Path) -> SourceLog | None:
    """Return the log that a file was derived from, or None if the file is missing or unreadable."""
    if not path.exists():
        return None
    try:
        with closing(apsw.Connection(str(path))) as connection:
            log = connection.execute("SELECT log FROM source").get
            return SourceLog(log, dict(fetch(connection, "SELECT client, entry FROM reached")))
    except apsw.Error:
        return None


def _is_usable(path: Path, layout: Layout, identity: str, heads: Mapping[int, int]) -> bool:
    source = read_source(path)
    if source is None or source.log != identity:
        return False
    try:
        with closing(apsw.Connection(str(path))) as connection:
            same = connection.execute("SELECT schema FROM source").get == layout.schema
            readable = connection.pragma("user_version") <= len(layout.steps)
    except apsw.Error:
        return False
    known = all(entry <= heads.get(client, 0) for client, entry in source.newest_entries.items())
    return same and readable and known
