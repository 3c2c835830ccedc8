"""Tests that insert many rows with one statement."""

from __future__ import annotations

import apsw
import pytest

from floorcast.sqlite import bulk_rows
from floorcast.sqlite.files import fetch


@pytest.mark.parametrize("count", [0, 1, 2, 16, 17, 128, 129, 300])
def test_all_rows_are_inserted_in_order(count: int) -> None:
    """Any number of rows is inserted."""
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE t (a, b)")
    wanted = [(number, b"%d" % number) for number in range(count)]
    bulk_rows.insert_rows(connection, "INSERT INTO t", wanted)
    assert fetch(connection, "SELECT a, b FROM t ORDER BY rowid") == wanted


def test_bytes_are_bound_unchanged() -> None:
    """The bytes may contain zeros or be empty."""
    connection = apsw.Connection(":memory:")
    values = [b"a\x00b", b"", b"\xff" * 1000]
    found = fetch(connection, "SELECT value FROM carray(?)", (bulk_rows.blob_array(values),))
    assert [value for (value,) in found] == values
