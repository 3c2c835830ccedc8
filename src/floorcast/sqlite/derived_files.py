"""Files of derived data: one that does not fit its log is made anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import apsw
import structlog

from floorcast.model.errors import SettingError
from floorcast.sqlite.files import connect, fetch, remove, transaction

__all__ = ["open_derived", "reach"]

SCHEMA = """
CREATE TABLE source (log TEXT NOT NULL, schema TEXT NOT NULL);
CREATE TABLE reached (client INTEGER PRIMARY KEY, entry INTEGER NOT NULL);
"""
REACH = """
INSERT INTO reached VALUES (?, ?)
ON CONFLICT (client) DO UPDATE SET entry = max(entry, excluded.entry)
"""

_log = structlog.get_logger(__name__)


def open_derived(
    path: Path | None,
    schema: str,
    *,
    page_size: int,
    cache_kib: int,
    identity: str,
    heads: Mapping[int, int],
) -> apsw.Connection:
    """Open the file for its one writer; None is in memory.

    ``identity`` is the log's, ``heads`` its newest entries by client. A file of another log,
    one that knows more than the log does (which was restored from a backup, then), one with
    another schema and one that is damaged are deleted first: all of it can be made again.
    Raises SettingError when the file cannot be opened even so.
    """
    if path is not None and path.exists() and not _fits(path, schema, identity, heads):
        _log.warning("derived_data_remade", file=path.name)
        remove(path)
    try:
        connection = connect(path, page_size=page_size, synchronous="NORMAL", cache_kib=cache_kib)
        if connection.pragma("schema_version") == 0:
            with transaction(connection):
                connection.execute(SCHEMA + schema)
                connection.execute("INSERT INTO source VALUES (?, ?)", (identity, schema))
    except (OSError, apsw.Error) as error:
        raise SettingError(f"{path} cannot be opened: {error}") from error
    return connection


def reach(connection: apsw.Connection, client: int, entry: int) -> None:
    """Note that the file knows of the client's stream up to ``entry``."""
    connection.execute(REACH, (client, entry))


def _fits(path: Path, schema: str, identity: str, heads: Mapping[int, int]) -> bool:
    connection = apsw.Connection(str(path))
    try:
        source = connection.execute("SELECT log, schema FROM source").get
        reached = fetch(connection, "SELECT client, entry FROM reached")
    except apsw.Error:
        return False
    finally:
        connection.close()
    known = all(entry <= heads.get(client, 0) for client, entry in reached)
    return source == (identity, schema) and known
