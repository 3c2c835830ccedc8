"""Opening SQLite files: settings, schema versions, and what a failure means.

A file's ``user_version`` counts the steps of its schema that have been taken. A release adds
steps and never changes one, so that every older file can be brought forward.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import apsw

from floorcast.model.errors import SettingError, Unavailable

__all__ = [
    "connect",
    "fetch",
    "fetch_one",
    "migrate",
    "open_reader",
    "reading",
    "remove",
    "transaction",
]

BUSY_MS = 5_000  # only a backup or a curious person with a shell ever holds the lock
WAL_KEEP = 64 << 20  # bytes; a longer write-ahead log is cut to this when it starts anew

Synchronous = Literal["NORMAL", "FULL"]


def connect(
    path: Path | None,
    *,
    page_size: int,
    synchronous: Synchronous,
    cache_kib: int,
) -> apsw.Connection:
    """Open a file for its one writer, making it when it is not there; None is in memory.

    Raises apsw.Error.
    """
    connection = apsw.Connection(":memory:" if path is None else str(path))
    connection.set_busy_timeout(BUSY_MS)
    connection.pragma("page_size", page_size)
    connection.pragma("journal_mode", "WAL")
    connection.pragma("synchronous", synchronous)
    connection.pragma("journal_size_limit", WAL_KEEP)
    connection.pragma("cache_size", -cache_kib)
    return connection


def open_reader(path: Path, *, cache_kib: int) -> apsw.Connection:
    """Open a file that has its writer, to read from it. Raises apsw.Error."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(BUSY_MS)
    connection.pragma("cache_size", -cache_kib)
    return connection


def remove(path: Path) -> None:
    """Delete a file with what SQLite keeps beside it."""
    for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        name.unlink(missing_ok=True)


def fetch(
    connection: apsw.Connection, query: str, bindings: Sequence[apsw.SQLiteValue] = ()
) -> list[Any]:
    """All rows of a query, as tuples."""
    return connection.execute(query, bindings).fetchall()


def fetch_one(
    connection: apsw.Connection, query: str, bindings: Sequence[apsw.SQLiteValue] = ()
) -> Any:  # noqa: ANN401 -- a row is what the query says
    """The first row of a query as a tuple, or None."""
    return connection.execute(query, bindings).fetchone()


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Begin, and commit; on an exception, roll back and raise it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # a failed write may have rolled back by itself; the first error is the one to tell
        with suppress(apsw.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def migrate(connection: apsw.Connection, steps: Sequence[str], name: str) -> None:
    """Bring a file's schema to ``len(steps)``, each step with its version in one transaction.

    Raises SettingError for a file of a newer release.
    """
    version = connection.pragma("user_version")
    if version > len(steps):
        raise SettingError(
            f"{name} was written by a newer floorcast: its schema is {version}, "
            f"this release knows up to {len(steps)}"
        )
    for number in range(version, len(steps)):
        with transaction(connection):
            connection.execute(steps[number])
            connection.execute(f"PRAGMA user_version = {number + 1}")


@contextmanager
def reading() -> Iterator[None]:
    """Translate what SQLite raises while reading into Unavailable."""
    try:
        yield
    except apsw.Error as error:
        raise Unavailable("the log cannot be read") from error
