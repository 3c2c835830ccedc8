"""Tests of the SQLite adapter, in addition to the contract."""

from __future__ import annotations

import asyncio
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from floorcast.kv.port import Conflict, Item
from floorcast.kv.sqlite_kv import SqliteKeyValueStore
from floorcast.model.errors import SettingError, Unavailable


async def write_item(file: Path) -> None:
    """Write an item into the file."""
    kv = SqliteKeyValueStore(file)
    await kv.write([Item("site", "1", b"x")])
    await kv.close()


def test_values_and_versions_survive_reopening(tmp_path: Path) -> None:
    """The file keeps everything, including versions."""
    asyncio.run(write_item(tmp_path / "admin.db"))
    kv = SqliteKeyValueStore(tmp_path / "admin.db")
    assert kv.get("site", "1") == b"x"
    assert kv.version("site") == 1
    asyncio.run(kv.close())


def test_write_by_another_process_changes_the_version(tmp_path: Path) -> None:
    """A write by another process changes the version, and the new value is read at once."""
    kv = SqliteKeyValueStore(tmp_path / "admin.db")
    before = kv.version("site")
    script = (
        "import asyncio, pathlib, sys\n"
        "from floorcast.kv.port import Item\n"
        "from floorcast.kv.sqlite_kv import SqliteKeyValueStore\n"
        "buckets = SqliteKeyValueStore(pathlib.Path(sys.argv[1]))\n"
        "asyncio.run(buckets.write([Item('site', '1', b'theirs')]))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "admin.db")], check=True)
    assert kv.version("site") != before
    assert kv.get("site", "1") == b"theirs"
    asyncio.run(kv.close())


def test_one_of_two_conflicting_writes_succeeds(tmp_path: Path) -> None:
    """Two connections whose writes depend on the same state cannot both write."""

    async def race() -> int:
        file = tmp_path / "admin.db"
        ours, theirs = SqliteKeyValueStore(file), SqliteKeyValueStore(file)
        seen = [Item("site", "1", None)]
        done = await asyncio.gather(
            ours.write([Item("site", "1", b"ours")], seen),
            theirs.write([Item("site", "1", b"theirs")], seen),
            return_exceptions=True,
        )
        await ours.close()
        await theirs.close()
        return sum(isinstance(result, Conflict) for result in done)

    assert asyncio.run(race()) == 1


def test_processes_can_open_a_new_file_concurrently(tmp_path: Path) -> None:
    """A server and commands that start at the same time on a new folder all succeed."""
    with ThreadPoolExecutor(8) as threads:
        opened = list(threads.map(SqliteKeyValueStore, [tmp_path / "admin.db"] * 8))
    for kv in opened:
        assert kv.items("site") == {}
        asyncio.run(kv.close())


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    """The file and the files beside it contain hashes, and are private to their owner."""
    file = tmp_path / "admin.db"

    kv = SqliteKeyValueStore(file)
    asyncio.run(kv.write([Item("site", "1", b"x")]))
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    asyncio.run(kv.close())


def test_writes_are_flushed(tmp_path: Path) -> None:
    """Both connections use a write-ahead log and flush every commit."""
    kv = SqliteKeyValueStore(tmp_path / "admin.db")
    for connection in (kv._reader, kv._writer):  # noqa: SLF001 - only they know
        assert connection.pragma("journal_mode") == "wal"
        assert connection.pragma("synchronous") == 2
    asyncio.run(kv.close())


def test_file_that_cannot_be_opened_is_a_setting_error(tmp_path: Path) -> None:
    """A folder, a text file and a missing folder are refused. The error contains the name."""
    (tmp_path / "text.db").write_text("not a database, though quite long enough to be one" * 40)
    (tmp_path / "folder.db").mkdir()
    for name in ("folder.db", "text.db", "missing/admin.db"):
        with pytest.raises(SettingError, match=re.escape(name)):
            SqliteKeyValueStore(tmp_path / name)


def test_failed_write_raises_unavailable(tmp_path: Path) -> None:
    """If the disk fails, Unavailable is raised, and a later write succeeds."""
    kv = SqliteKeyValueStore(tmp_path / "admin.db")
    blocker = apsw.Connection(str(tmp_path / "admin.db"))
    kv._writer.set_busy_timeout(1)  # noqa: SLF001 - the test's patience is shorter
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="cannot be written"):
        asyncio.run(kv.write([Item("site", "1", b"x")]))
    blocker.execute("ROLLBACK")
    blocker.close()
    asyncio.run(kv.write([Item("site", "1", b"x")]))
    assert kv.get("site", "1") == b"x"
    asyncio.run(kv.close())
