"""Tests that files of derived data match their log or are recreated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest

from floorcast.model.errors import SettingError
from floorcast.sqlite.derived_files import CHECKS, Layout, open_derived, record_progress
from floorcast.sqlite.files import fetch

SCHEMA = "CREATE TABLE IF NOT EXISTS facts (fact TEXT);"


def opened(
    path: Path | None,
    identity: str = "log",
    head: int = 5,
    schema: str = SCHEMA,
    steps: Sequence[str] = (CHECKS,),
) -> apsw.Connection:
    layout = Layout(schema, 4096, steps)
    return open_derived(path, layout, cache_kib=100, identity=identity, heads={1: head})


def facts(connection: apsw.Connection) -> int:
    return len(fetch(connection, "SELECT * FROM facts"))


@pytest.mark.parametrize(
    ("identity", "head", "schema", "kept"),
    [
        ("log", 5, SCHEMA, 1),
        ("log", 9, SCHEMA, 1),
        ("log", 4, SCHEMA, 0),
        ("other", 5, SCHEMA, 0),
        ("log", 5, SCHEMA + "CREATE TABLE more (id);", 0),
    ],
)
def test_mismatched_file_is_recreated(
    tmp_path: Path, identity: str, head: int, schema: str, kept: int
) -> None:
    """The file may be of another log, of a restored log, or of another release."""
    connection = opened(tmp_path / "file.db")
    connection.execute("INSERT INTO facts VALUES ('x')")
    record_progress(connection, 1, 3)
    record_progress(connection, 1, 5)
    record_progress(connection, 1, 4)
    connection.close()
    assert facts(opened(tmp_path / "file.db", identity, head, schema)) == kept


@pytest.mark.parametrize("content", [b"", b"no database at all" * 1000])
def test_unreadable_file_is_recreated(tmp_path: Path, content: bytes) -> None:
    """An empty file and a file of another kind are recreated, too."""
    (tmp_path / "file.db").write_bytes(content)
    assert facts(opened(tmp_path / "file.db")) == 0


def test_in_memory_database_is_always_new() -> None:
    """The database is gone when its connection is closed."""
    assert facts(opened(None)) == 0


def test_upgrade_extends_the_schema_and_keeps_the_data(tmp_path: Path) -> None:
    """Each step runs once. A file with unknown steps is recreated."""
    path = tmp_path / "file.db"
    connection = opened(path)
    connection.execute("INSERT INTO facts VALUES ('x')")
    connection.close()
    steps = ["ALTER TABLE facts ADD COLUMN sum", "ALTER TABLE facts ADD COLUMN more"]
    for count in (1, 2, 2):
        connection = opened(path, steps=[CHECKS, *steps[:count]])
        assert len(fetch(connection, "SELECT * FROM facts")[0]) == 1 + count
        connection.close()
    assert facts(opened(path, steps=[CHECKS, *steps[:1]])) == 0


def test_folder_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    """The error is one line with the name of the folder."""
    (tmp_path / "file.db").mkdir()
    with pytest.raises((SettingError, OSError)):
        opened(tmp_path / "file.db")
