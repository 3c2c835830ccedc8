"""Tests of the checksums of rows in small tables."""

from __future__ import annotations

import apsw
import pytest

from floorcast.sqlite.checksums import (
    ROW_SUMS,
    ChecksummedTable,
    add_checksum_function,
    checksum_schema,
    damaged_rows,
    row_checksum,
)

TABLES = (
    ChecksummedTable("named", ["bucket", "key"], ["value"]),
    ChecksummedTable("heads", ["client"], ["entry"], inline=True),
)
SCHEMA = """
CREATE TABLE named (bucket TEXT, key TEXT, value BLOB, PRIMARY KEY (bucket, key));
CREATE TABLE heads (client INTEGER PRIMARY KEY, entry INTEGER);
INSERT INTO named VALUES ('site', '1', x'aa'), ('site', '2', NULL);
INSERT INTO heads VALUES (7, 41), (8, 42);
"""


@pytest.fixture
def connection() -> apsw.Connection:
    """Yield a table with rows from before the checksums and with later rows."""
    one = apsw.Connection(":memory:")
    add_checksum_function(one)
    one.execute(SCHEMA + ROW_SUMS + checksum_schema(*TABLES))
    one.execute("INSERT INTO named VALUES ('user', 'x', x'bb')")
    one.execute("UPDATE named SET value = x'cc' WHERE key = '1'")
    one.execute("DELETE FROM named WHERE key = '2'")
    one.execute(
        "UPDATE heads SET entry = 43, checksum = ? WHERE client = 8", (row_checksum(8, 43),)
    )
    return one


def changed(connection: apsw.Connection) -> list[str]:
    return [key for table in TABLES for key in damaged_rows(connection, table)]


def test_written_rows_have_valid_checksums(connection: apsw.Connection) -> None:
    """This holds for old rows, and for inserted, updated and deleted ones."""
    assert changed(connection) == []


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("UPDATE named SET value = 'cc' WHERE key = '1'", "'site','1'"),
        ("UPDATE named SET key = '3' WHERE key = '1'", "'site','3'"),
        ("DELETE FROM named WHERE key = 'x'", "'user','x'"),
        ("INSERT INTO named VALUES ('user', 'y', NULL)", "'user','y'"),
        ("UPDATE heads SET entry = 42 WHERE client = 8", "8"),
    ],
)
def test_rows_changed_by_other_means_are_reported(
    connection: apsw.Connection, damage: str, named: str
) -> None:
    """Changed values, types and keys are found, and so are deleted and added rows."""
    for what in ("insert", "update", "delete"):
        connection.execute(f"DROP TRIGGER sums_{what}_named")
    connection.execute(damage)
    assert named in changed(connection)
