"""A key-value store in one SQLite file, shared by the server and commands.

The event loop reads through one connection, and a thread writes through another, so flushing the
disk never blocks the loop.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

from floorcast.kv.port import Conflict, Item, Listener, validate_items
from floorcast.model.errors import SettingError, Unavailable
from floorcast.sqlite.checksums import ROW_SUMS, ChecksummedTable, checksum_schema
from floorcast.sqlite.files import Schema, connect, migrate, transaction

__all__ = ["CHECKSUMMED_TABLES", "SCHEMA", "SqliteKeyValueStore"]

T = TypeVar("T")

PAGE_BYTES = 4096
CACHE_KIB = 2048

CHECKSUMMED_TABLES = (
    ChecksummedTable("item", ["bucket", "key"], ["value"]),
    ChecksummedTable("bucket", ["name"], ["version"]),
)
"""The tables whose rows have checksums."""

SCHEMA = Schema(
    0x464C4341,  # "FLCA"
    (
        """
        CREATE TABLE item (
            bucket TEXT NOT NULL,
            key TEXT NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (bucket, key)
        ) STRICT;
        CREATE TABLE bucket (
            name TEXT PRIMARY KEY,
            version INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """,
        ROW_SUMS + checksum_schema(*CHECKSUMMED_TABLES),
    ),
)

GET = "SELECT value FROM item WHERE bucket = ? AND key = ?"
ITEMS = "SELECT key, value FROM item WHERE bucket = ?"
PUT = """
    INSERT INTO item (bucket, key, value) VALUES (?, ?, ?)
    ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value
"""
DELETE = "DELETE FROM item WHERE bucket = ? AND key = ?"
VERSION = "SELECT version FROM bucket WHERE name = ?"
INCREMENT_VERSION = """
    INSERT INTO bucket (name, version) VALUES (?, 1)
    ON CONFLICT (name) DO UPDATE SET version = version + 1
"""


class SqliteKeyValueStore:
    """A key-value store in a file that several processes can open.

    Raises ``SettingError`` if the file cannot be opened or is not a floorcast file.
    """

    check_current = None  # every read goes to the file itself

    def __init__(self, file: Path) -> None:
        self._reader = _connect(file)
        self._writer = _connect(file)
        self._thread = ThreadPoolExecutor(1, "kv")
        self._closed = False
        self._data_version = -1
        self._versions: dict[str, int] = {}
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)

    def get(self, bucket: str, key: str) -> bytes | None:
        """Return the value of the key, or None."""
        value: bytes | None = self._read(lambda reader: reader.execute(GET, (bucket, key)).get)
        return value

    def items(self, bucket: str) -> dict[str, bytes]:
        """Return a copy of the bucket's values, by key."""
        return self._read(lambda reader: dict(reader.execute(ITEMS, (bucket,))))

    async def write(self, items: Iterable[Item], expected: Iterable[Item] = ()) -> None:
        """Put or delete all of ``items``, or raise ``Conflict`` (see the port)."""
        changes, expected = validate_items(items), validate_items(expected)
        if self._closed:
            raise _closed()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._write, changes, expected)
        for bucket, key, value in changes:
            for listener in self._listeners[bucket]:
                listener(key, value)

    def version(self, bucket: str) -> int:
        """Return a number that changes whenever any process writes to the bucket."""
        return self._read(lambda reader: self._version(reader, bucket))

    def listen(self, bucket: str, listener: Listener) -> None:
        """Call ``listener`` for each change of the bucket that this process makes."""
        self._listeners[bucket].append(listener)

    async def close(self) -> None:
        """Wait for writes in progress, then close the file."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown)
        self._reader.close()
        self._writer.close()

    def _read(self, query: Callable[[apsw.Connection], T]) -> T:
        if self._closed:
            raise _closed()
        try:
            return query(self._reader)
        except apsw.Error as error:
            raise Unavailable("the store of users and sessions cannot be read") from error

    def _version(self, reader: apsw.Connection, bucket: str) -> int:
        data_version = reader.pragma("data_version")
        if data_version != self._data_version:
            self._data_version = data_version
            self._versions.clear()
        if bucket not in self._versions:
            self._versions[bucket] = reader.execute(VERSION, (bucket,)).get or 0
        return self._versions[bucket]

    def _write(self, changes: tuple[Item, ...], expected: tuple[Item, ...]) -> None:
        try:
            with transaction(self._writer):
                _apply(self._writer, changes, expected)
        except apsw.Error as error:
            raise Unavailable("the store of users and sessions cannot be written") from error


def _closed() -> Unavailable:
    return Unavailable("the store of users and sessions is closed")


def _apply(writer: apsw.Connection, changes: tuple[Item, ...], expected: tuple[Item, ...]) -> None:
    for bucket, key, value in expected:
        if writer.execute(GET, (bucket, key)).get != value:
            raise Conflict("the key-value store has changed since it was read")
    writer.executemany(PUT, (item for item in changes if item.value is not None))
    writer.executemany(DELETE, ((item.bucket, item.key) for item in changes if item.value is None))
    writer.executemany(
        INCREMENT_VERSION, ((name,) for name in sorted({item.bucket for item in changes}))
    )


def _connect(file: Path) -> apsw.Connection:
    try:
        connection = connect(file, page_size=PAGE_BYTES, synchronous="FULL", cache_kib=CACHE_KIB)
        try:
            connection.pragma("secure_delete", True)  # so that free pages keep no deleted data
            migrate(connection, SCHEMA, str(file))
        except BaseException:
            connection.close()
            raise
    except (OSError, apsw.Error) as error:
        raise SettingError(f"{file} cannot be used as floorcast's store: {error}") from error
    return connection
