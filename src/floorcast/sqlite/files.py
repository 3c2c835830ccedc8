"""SQLite files: connections, schema versions, failures and the write-ahead log.

A file's ``application_id`` identifies its kind, and its ``user_version`` counts the schema steps
that have run. A release adds steps and never changes one, so every older file can be upgraded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import apsw

from floorcast.model.errors import SettingError, Unavailable
from floorcast.model.private_files import make_private
from floorcast.sqlite.checksums import add_checksum_function

__all__ = [
    "Schema",
    "compact",
    "connect",
    "errors_as_unavailable",
    "fetch",
    "fetch_one",
    "migrate",
    "open_reader",
    "remove",
    "transaction",
]

BUSY_MS = 5_000  # only a backup or a person with an SQLite shell ever holds the lock
_RETRY_SECONDS = 0.01
MAX_WAL_BYTES = 64 << 20  # bytes; a longer write-ahead log is truncated to this when it restarts

Synchronous = Literal["NORMAL", "FULL"]


class Schema(NamedTuple):
    """A kind of file: its ``application_id``, and its schema as one step per change."""

    application_id: int
    steps: Sequence[str]


def connect(
    path: Path | None,
    *,
    page_size: int,
    synchronous: Synchronous,
    cache_kib: int,
) -> apsw.Connection:
    """Open a file for a writer, and create it if needed. None opens a database in memory.

    The file becomes readable only by its owner. Raises apsw.Error and OSError.
    """
    if path is not None:
        make_private(path, *_side_files(path))
    connection = apsw.Connection(":memory:" if path is None else str(path))
    connection.set_busy_timeout(BUSY_MS)
    add_checksum_function(connection)
    connection.pragma("page_size", page_size)
    _use_write_ahead_log(connection)
    connection.pragma("synchronous", synchronous)
    connection.pragma("journal_size_limit", MAX_WAL_BYTES)
    connection.pragma("cache_size", -cache_kib)
    return connection


def _use_write_ahead_log(connection: apsw.Connection) -> None:
    # If several connections switch a new file at the same moment, SQLite reports to some of them
    # that the file is busy, without waiting for the busy timeout.
    end = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.pragma("journal_mode", "WAL")
        except apsw.BusyError:
            if time.monotonic() >= end:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def open_reader(path: Path, *, cache_kib: int) -> apsw.Connection:
    """Open a file for reading, after its writer has opened it. Raises apsw.Error."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(BUSY_MS)
    connection.pragma("cache_size", -cache_kib)
    return connection


def compact(path: Path) -> None:
    """Rewrite a file without its free pages, and empty its write-ahead log.

    No other connection may use the file. Raises apsw.Error.
    """
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(BUSY_MS)
        add_checksum_function(connection)
        connection.pragma("secure_delete", 1)
        connection.execute("VACUUM")
        connection.pragma("wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def remove(path: Path) -> None:
    """Delete a file with its -wal and -shm files."""
    for file in (path, *_side_files(path)):
        file.unlink(missing_ok=True)


def fetch(
    connection: apsw.Connection, query: str, bindings: Sequence[apsw.SQLiteValue] = ()
) -> list[Any]:
    """Return all rows of a query, as tuples."""
    return connection.execute(query, bindings).fetchall()


def fetch_one(
    connection: apsw.Connection, query: str, bindings: Sequence[apsw.SQLiteValue] = ()
) -> Any:  # noqa: ANN401 -- the type depends on the query
    """Return the first row of a query as a tuple, or None."""
    return connection.execute(query, bindings).fetchone()


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Run the block in a transaction, which is rolled back if the block raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # a failed write may have rolled back already; the first error is the one to report
        with suppress(apsw.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def migrate(connection: apsw.Connection, schema: Schema, name: str) -> None:
    """Upgrade a file's schema in one transaction.

    ``name`` is the file's name in messages. Raises SettingError if the file belongs to another
    program or to a newer release.
    """
    target = schema.application_id, len(schema.steps)
    if (connection.pragma("application_id"), connection.pragma("user_version")) == target:
        return
    with transaction(connection):  # another process may be doing the same, so check again inside
        for step in schema.steps[_schema_version(connection, schema, name) :]:
            connection.execute(step)
        connection.execute(f"PRAGMA application_id = {schema.application_id}")
        connection.execute(f"PRAGMA user_version = {len(schema.steps)}")


def _schema_version(connection: apsw.Connection, schema: Schema, name: str) -> int:
    version = int(connection.pragma("user_version"))
    used = version or connection.execute("SELECT count(*) FROM sqlite_schema").get
    if used and connection.pragma("application_id") != schema.application_id:
        raise SettingError(f"{name} is the database of another program")
    if version > len(schema.steps):
        raise SettingError(
            f"{name} was written by a newer release of floorcast: its schema is {version}, and "
            f"this release supports up to {len(schema.steps)}; use that release, or another data "
            f"folder"
        )
    return version


def _side_files(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


@contextmanager
def errors_as_unavailable(*handled: type[apsw.Error]) -> Iterator[None]:
    """Raise Unavailable for SQLite errors in the block, except for those in ``handled``."""
    try:
        yield
    except handled:
        raise
    except apsw.Error as error:
        raise Unavailable("the log cannot be read") from error
