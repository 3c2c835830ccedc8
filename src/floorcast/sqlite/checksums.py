"""Checksums of stored data. They have 63 bits, so that they fit into SQLite's integers.

Rows with a large value have a checksum column. The checksums of small tables are in the table
``row_sums``, which is maintained by triggers. Missing rows are therefore detected, too, and the
statements that write the tables need no change. Tables with small rows that change with every write
are ``inline``: the statements that write them also fill a checksum column. A trigger that calls
into Python would make the writer's thread wait for the interpreter's lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

import apsw
import msgspec
from xxhash import xxh3_64_intdigest

__all__ = [
    "ROW_SUMS",
    "ChecksummedTable",
    "add_checksum_function",
    "checksum",
    "checksum_schema",
    "damaged_rows",
    "row_checksum",
]

ROW_SUMS = """
CREATE TABLE row_sums (
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (name, key)
) WITHOUT ROWID;
"""
FUNCTION = "floorcast_checksum"

_encode = msgspec.msgpack.Encoder().encode


def checksum(data: bytes, *numbers: int) -> int:
    """Return the checksum of ``data`` and of signed numbers of at most 64 bits."""
    seed = xxh3_64_intdigest(Struct(f"<{len(numbers)}q").pack(*numbers)) if numbers else 0
    return xxh3_64_intdigest(data, seed) >> 1


class ChecksummedTable(NamedTuple):
    """A table whose rows have checksums.

    ``key`` contains the columns that identify a row, and ``columns`` contains the others. If the
    table is ``inline``, its checksum column is called ``checksum``.
    """

    table: str
    key: Sequence[str]
    columns: Sequence[str] = ()
    inline: bool = False


def add_checksum_function(connection: apsw.Connection) -> None:
    """Let a connection write tables whose rows have checksums."""
    connection.create_scalar_function(FUNCTION, row_checksum, deterministic=True)


def checksum_schema(*tables: ChecksummedTable) -> str:
    """Return the schema step that adds checksums to the tables' rows. It needs ``ROW_SUMS``.

    The step is part of released schemas, so it must never change for a table.
    """
    return "".join(_table_schema(table) for table in tables)


def _table_schema(table: ChecksummedTable) -> str:
    name = table.table
    if table.inline:
        return f"""
ALTER TABLE {name} ADD COLUMN checksum INTEGER;
UPDATE {name} SET checksum = {_sum(table)};
"""  # noqa: S608 -- names of our own tables
    columns = ", ".join((*table.key, *table.columns)).replace("rowid, ", "")
    row = f"{_key(table, 'NEW.')}, {_sum(table, 'NEW.')}"
    return f"""
INSERT INTO row_sums SELECT '{name}', {_key(table)}, {_sum(table)} FROM {name};
CREATE TRIGGER sums_insert_{name} AFTER INSERT ON {name} BEGIN
    INSERT INTO row_sums VALUES ('{name}', {row});
END;
CREATE TRIGGER sums_update_{name} AFTER UPDATE OF {columns} ON {name} BEGIN
    DELETE FROM row_sums WHERE name = '{name}' AND key = {_key(table, "OLD.")};
    INSERT INTO row_sums VALUES ('{name}', {row});
END;
CREATE TRIGGER sums_delete_{name} AFTER DELETE ON {name} BEGIN
    DELETE FROM row_sums WHERE name = '{name}' AND key = {_key(table, "OLD.")};
END;
"""  # noqa: S608 -- names of our own tables


def damaged_rows(connection: apsw.Connection, table: ChecksummedTable) -> Iterator[str]:
    """Yield the keys of damaged rows and of missing rows.

    Raises apsw.Error or UnicodeDecodeError if the table cannot be read.
    """
    columns = ", ".join((*table.key, *table.columns))
    if table.inline:
        for key, found, *row in connection.execute(
            f"SELECT {_key(table)}, checksum, {columns} FROM {table.table}"  # noqa: S608 -- as above
        ):
            if found != row_checksum(*row):
                yield str(key)
        return
    expected = dict(
        connection.execute("SELECT key, checksum FROM row_sums WHERE name = ?", (table.table,))
    )
    for key, *row in connection.execute(
        f"SELECT {_key(table)}, {columns} FROM {table.table}"  # noqa: S608 -- as above
    ):
        if expected.pop(key, None) != row_checksum(*row):
            yield str(key)
    yield from map(str, expected)


def _key(table: ChecksummedTable, row: str = "") -> str:
    return " || ',' || ".join(f"quote({row}{column})" for column in table.key)


def _sum(table: ChecksummedTable, row: str = "") -> str:
    columns = ", ".join(f"{row}{column}" for column in (*table.key, *table.columns))
    return f"{FUNCTION}({columns})"


def row_checksum(*values: apsw.SQLiteValue) -> int:
    """Return the checksum of a row's values, in the order of its table's ``ChecksummedTable``."""
    return checksum(_encode(values))
