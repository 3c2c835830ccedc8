"""Tests that open and upgrade SQLite files."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from floorcast.model.errors import SettingError, Unavailable
from floorcast.sqlite.files import (
    Schema,
    connect,
    errors_as_unavailable,
    fetch,
    fetch_one,
    migrate,
    open_reader,
    remove,
    transaction,
)

FIRST = "CREATE TABLE calls (id INTEGER); INSERT INTO calls VALUES (1);"
SECOND = "ALTER TABLE calls ADD COLUMN name TEXT DEFAULT 'unknown';"


def schema(*steps: str) -> Schema:
    return Schema(0x464C4341, steps)


def opened(path: Path) -> apsw.Connection:
    return connect(path, page_size=4096, synchronous="FULL", cache_kib=100)


def test_old_file_gets_the_missing_steps(tmp_path: Path) -> None:
    """The data is kept, and no step runs twice."""
    path = tmp_path / "file.db"
    migrate(opened(path), schema(FIRST), "file.db")
    for _ in range(2):
        connection = opened(path)
        migrate(connection, schema(FIRST, SECOND), "file.db")
        assert fetch(connection, "SELECT * FROM calls") == [(1, "unknown")]
        assert connection.pragma("user_version") == 2


def test_failed_step_leaves_the_file_unchanged(tmp_path: Path) -> None:
    """Either all missing steps succeed or none is applied."""
    connection = opened(tmp_path / "file.db")
    migrate(connection, schema(FIRST), "file.db")
    with pytest.raises(apsw.SQLError):
        migrate(
            connection,
            schema(FIRST, SECOND, "CREATE TABLE more (id); CREATE TABLE calls (id);"),
            "file.db",
        )
    assert connection.pragma("user_version") == 1
    assert fetch_one(connection, "SELECT 1 FROM sqlite_schema WHERE name = 'more'") is None
    assert fetch(connection, "SELECT * FROM calls") == [(1,)]


def test_file_of_another_program_is_refused_unchanged(tmp_path: Path) -> None:
    """Such a file has tables or a schema version, but not our application id."""
    for name, foreign in (
        ("mail.db", "CREATE TABLE mail (x)"),
        ("x.db", "PRAGMA user_version = 1"),
    ):
        connection = opened(tmp_path / name)
        connection.execute(foreign)
        before = fetch(connection, "SELECT name FROM sqlite_schema")
        with pytest.raises(SettingError, match=rf"{name} is the database of another program"):
            migrate(connection, schema(FIRST), name)
        assert fetch(connection, "SELECT name FROM sqlite_schema") == before


def test_two_processes_can_upgrade_a_file_concurrently(tmp_path: Path) -> None:
    """Each step is run by one of the processes, and both succeed."""
    connections = [opened(tmp_path / "file.db") for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        jobs = [threads.submit(migrate, one, schema(FIRST, SECOND), "x") for one in connections]
    assert [job.result() for job in jobs] == [None] * 8
    assert fetch(connections[0], "SELECT * FROM calls") == [(1, "unknown")]


def test_new_files_can_be_opened_concurrently(tmp_path: Path) -> None:
    """SQLite does not wait while another connection switches a file to a write-ahead log."""
    with ThreadPoolExecutor(8) as threads:
        for number in range(150):
            for connection in threads.map(opened, [tmp_path / f"{number}.db"] * 8):
                assert connection.pragma("journal_mode") == "wal"
                connection.close()


def test_only_the_owner_can_read_a_file(tmp_path: Path) -> None:
    """New files have mode 0600. Files that others can read get this mode, too."""
    path = tmp_path / "file.db"
    first = opened(path)
    migrate(first, schema(FIRST), "file.db")
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}
    for one in tmp_path.iterdir():
        one.chmod(0o664)
    second = opened(path)
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}
    assert fetch(second, "SELECT * FROM calls") == [(1,)]


def test_newer_file_is_refused(tmp_path: Path) -> None:
    """The message contains the file's name and both versions."""
    connection = opened(tmp_path / "file.db")
    migrate(connection, schema(FIRST, SECOND), "file.db")
    with pytest.raises(SettingError, match=r"file\.db .* schema is 2, .* up to 1"):
        migrate(connection, schema(FIRST), "file.db")


def test_transactions_are_atomic(tmp_path: Path) -> None:
    """An exception rolls the transaction back and propagates."""
    connection = opened(tmp_path / "file.db")
    migrate(connection, schema(FIRST), "file.db")
    with pytest.raises(apsw.SQLError), transaction(connection):
        connection.execute("INSERT INTO calls VALUES (2); INSERT INTO nowhere VALUES (2)")
    with transaction(connection):
        connection.execute("INSERT INTO calls VALUES (3)")
    assert fetch(connection, "SELECT id FROM calls") == [(1,), (3,)]


def test_read_only_connection_cannot_write(tmp_path: Path) -> None:
    """The reader sees the writer's commits."""
    path = tmp_path / "file.db"
    writer = opened(path)
    migrate(writer, schema(FIRST), "file.db")
    reader = open_reader(path, cache_kib=100)
    assert fetch_one(reader, "SELECT id FROM calls") == (1,)
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("DELETE FROM calls")
    reader.close()
    writer.close()


def test_sqlite_errors_become_unavailable() -> None:
    """Callers need not know about SQLite."""
    with pytest.raises(Unavailable), errors_as_unavailable():
        raise apsw.IOError


def test_remove_deletes_the_files_beside_it(tmp_path: Path) -> None:
    """Missing files are ignored."""
    path = tmp_path / "file.db"
    for name in ("file.db", "file.db-wal", "file.db-shm", "other.db"):
        (tmp_path / name).write_text("")
    remove(path)
    remove(path)
    assert [each.name for each in tmp_path.iterdir()] == ["other.db"]
