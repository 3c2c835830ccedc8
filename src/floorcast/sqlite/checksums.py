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
    "Checked",
    "add_function",
    "changed_rows",
    "checking",
    "checksum",
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


class Checked(NamedTuple):
    """A table whose rows have checksums.

    ``key`` contains the columns that identify a row, and ``columns`` contains the others. If the
    table is ``inline``, its checksum column is called ``checksum``.
    """

    table: str
    key: Sequence[str]
    columns: Sequence[str] = ()
    inline: bool = False


def add_function(connection: apsw.Connection) -> None:
    """Let a connection write tables whose rows have checksums."""
    connection.create_scalar_function(FUNCTION, row_checksum, deterministic=True)


def checking(*tables: Checked) -> str:
    """Return the schema step that adds checksums to the tables' rows. It needs ``ROW_SUMS``.

    The step is part of released schemas, so it must never change for a table.
    """
    return "".join(_checking(table) for table in tables)


def _checking(one: Checked) -> str:
    table = one.table
    if one.inline:
        return f"""
ALTER TABLE {table} ADD COLUMN checksum INTEGER;
UPDATE {table} SET checksum = {_sum(one)};
"""  # noqa: S608 -- names of our own tables
    columns = ", ".join((*one.key, *one.columns)).replace("rowid, ", "")
    row = f"{_key(one, 'NEW.')}, {_sum(one, 'NEW.')}"
    return f"""
INSERT INTO row_sums SELECT '{table}', {_key(one)}, {_sum(one)} FROM {table};
CREATE TRIGGER sums_insert_{table} AFTER INSERT ON {table} BEGIN
    INSERT INTO row_sums VALUES ('{table}', {row});
END;
CREATE TRIGGER sums_update_{table} AFTER UPDATE OF {columns} ON {table} BEGIN
    DELETE FROM row_sums WHERE name = '{table}' AND key = {_key(one, "OLD.")};
    INSERT INTO row_sums VALUES ('{table}', {row});
END;
CREATE TRIGGER sums_delete_{table} AFTER DELETE ON {table} BEGIN
    DELETE FROM row_sums WHERE name = '{table}' AND key = {_key(one, "OLD.")};
END;
"""  # noqa: S608 -- names of our own tables


def changed_rows(connection: apsw.Connection, one: Checked) -> Iterator[str]:
    """Yield the keys of damaged rows and of missing rows.

    Raises apsw.Error or UnicodeDecodeError if the table cannot be read.
    """
    columns = ", ".join((*one.key, *one.columns))
    if one.inline:
        for key, found, *row in connection.execute(
            f"SELECT {_key(one)}, checksum, {columns} FROM {one.table}"  # noqa: S608 -- as above
        ):
            if found != row_checksum(*row):
                yield str(key)
        return
    wanted = dict(
        connection.execute("SELECT key, checksum FROM row_sums WHERE name = ?", (one.table,))
    )
    for key, *row in connection.execute(
        f"SELECT {_key(one)}, {columns} FROM {one.table}"  # noqa: S608 -- as above
    ):
        if wanted.pop(key, None) != row_checksum(*row):
            yield str(key)
    yield from map(str, wanted)


def _key(one: Checked, row: str = "") -> str:
    return " || ',' || ".join(f"quote({row}{column})" for column in one.key)


def _sum(one: Checked, row: str = "") -> str:
    columns = ", ".join(f"{row}{column}" for column in (*one.key, *one.columns))
    return f"{FUNCTION}({columns})"


def row_checksum(*values: apsw.SQLiteValue) -> int:
    """Return the checksum of a row's values, in the order of its table's ``Checked``."""
    return checksum(_encode(values))
