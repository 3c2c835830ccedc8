"""Tests of copies of a data folder's files."""

from __future__ import annotations

from pathlib import Path

import apsw

from floorcast.log.folder_copy import copy_file, database_bytes


def test_the_size_of_a_copy_is_known_before_it_is_made(tmp_path: Path) -> None:
    """Pages that are only in the write-ahead log belong to the copy."""
    source, target = tmp_path / "log.db", tmp_path / "copy.db"
    steps: list[int] = []
    writer = apsw.Connection(str(source))
    try:
        writer.pragma("journal_mode", "wal")
        writer.pragma("wal_autocheckpoint", 0)
        writer.execute("CREATE TABLE entries (content BLOB)")
        writer.execute("INSERT INTO entries VALUES (zeroblob(4000000))")
        size = database_bytes(source)
        copy_file(source, target, steps.append)
    finally:
        writer.close()
    assert size > 4_000_000
    assert size == sum(steps) == target.stat().st_size
