"""Writes and binds many rows with one statement.

A thread that steps a statement releases the interpreter's lock and must acquire it again, which
takes milliseconds while the event loop is busy. With one row per step, the thread would wait for
every row. These helpers make it wait only once for many rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

import apsw

__all__ = ["blob_array", "insert_rows", "insert_statement"]

CHUNKS = (128, 16, 1)  # rows per statement; few sizes, so that prepared statements are reused


def insert_rows(
    connection: apsw.Connection, into: str, rows: Sequence[Sequence[apsw.SQLiteValue]]
) -> None:
    """Insert ``rows``, which all have the same length.

    ``into`` is the start of the statement, such as ``INSERT INTO t``.
    """
    start = 0
    for size in CHUNKS:
        while len(rows) - start >= size:
            chunk = rows[start : start + size]
            values = tuple(chain.from_iterable(chunk))
            connection.execute(insert_statement(into, len(chunk[0]), size), values)
            start += size


def blob_array(values: Sequence[bytes]) -> object:
    """Return bytes that can be bound to one ``carray(?)`` without a copy."""
    return apsw.carray(tuple(values), flags=apsw.SQLITE_CARRAY_BLOB)


@lru_cache(maxsize=64)
def insert_statement(into: str, columns: int, rows: int) -> str:
    """Return ``into`` with placeholders for the values of ``rows`` rows."""
    one = "(" + ",".join("?" * columns) + ")"
    return f"{into} VALUES {','.join([one] * rows)}"
