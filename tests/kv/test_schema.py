"""How ``admin.db`` comes to its present layout."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from floorcast.kv import schema
from floorcast.kv.schema import MIGRATIONS, migrate
from floorcast.model.errors import SettingError


def test_a_new_file_gets_the_present_layout_once() -> None:
    """An empty database goes through every migration, and none of them twice."""
    connection = apsw.Connection(":memory:")
    migrate(connection, "admin.db")
    migrate(connection, "admin.db")
    assert connection.pragma("user_version") == len(MIGRATIONS)
    assert connection.execute("SELECT count(*) FROM item").get == 0


def test_an_older_file_keeps_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next release's migration changes the layout around the values."""
    connection = apsw.Connection(":memory:")
    migrate(connection, "admin.db")
    connection.execute("INSERT INTO item VALUES ('site', '1', x'00')")
    later = (*MIGRATIONS, "ALTER TABLE item ADD COLUMN taken INTEGER")
    monkeypatch.setattr(schema, "MIGRATIONS", later)
    migrate(connection, "admin.db")
    assert connection.execute("SELECT bucket, key, taken FROM item").get == ("site", "1", None)


def test_a_failing_migration_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that breaks off leaves the file as the last release made it."""
    connection = apsw.Connection(":memory:")
    migrate(connection, "admin.db")
    later = (*MIGRATIONS, "CREATE TABLE half (x); SELECT nonsense")
    monkeypatch.setattr(schema, "MIGRATIONS", later)
    with pytest.raises(apsw.SQLError):
        migrate(connection, "admin.db")
    assert connection.pragma("user_version") == len(later) - 1
    assert not connection.execute("SELECT * FROM sqlite_schema WHERE name = 'half'").fetchall()


def test_a_later_release_is_refused() -> None:
    """A file of a later layout is not touched; the message says what to do."""
    connection = apsw.Connection(":memory:")
    migrate(connection, "admin.db")
    connection.pragma("user_version", 99)
    with pytest.raises(SettingError, match=r"admin\.db .* later release .*99"):
        migrate(connection, "admin.db")


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    """A database that we did not make is left alone."""
    connection = apsw.Connection(str(tmp_path / "mail.db"))
    connection.execute("CREATE TABLE mail (x)")
    with pytest.raises(SettingError, match="another program's"):
        migrate(connection, "mail.db")
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("mail",)]
