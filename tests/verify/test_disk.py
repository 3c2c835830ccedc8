"""Tests that damage on disk is found wherever it is."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.kv.port import Item
from floorcast.kv.sqlite_kv import SqliteKeyValueStore
from floorcast.log.damage import damaged_entries
from floorcast.log.data_folder import DataFolder
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.log_file import FollowedLog
from floorcast.log.tuning import LogTuning
from floorcast.model.errors import FloorcastError
from floorcast.store.projection_store import ProjectionStore
from floorcast.verify.disk import damaged_files
from tests.log.batches import HOUR, Clock, batch
from tests.log.waiting import until
from tests.search import tries
from tests.store.segments import segment

ACME, OTHER = 47415, 8
FILES = ("log.db", "admin.db", "mirror.db", "keys.db")
# These tables are ignored: they count disk probes and would show the damage of other tests.
HARMLESS = {"probes", "row_sums"}
SMALL = LogTuning(
    memtable_keys=16, merge_runs=3, quiet_seconds=0.001, idle_seconds=0.001, leap_seconds=1e9
)


FOLLOWS = FollowedLog("log", ["FLOORCAST_0", "FLOORCAST_1"])


async def fill_log(folder: DataFolder) -> None:
    """Write a copy of a cluster's log whose first entries are older than the retention."""
    clock = Clock()
    log = EmbeddedLog(folder, clock, followed_log=FOLLOWS, tuning=SMALL)
    for number in range(40):
        for client in (ACME, OTHER):
            await log.append(batch(client, [f"{number}-{n}" for n in range(3)]))
            if number % 20 == 5:
                await log.append_site(client, b'{"time_zone": "UTC %d"}' % number)
        if number == 10:
            clock.ticks += 30 * HOUR
    await until(lambda: log.last_removed(ACME) > 0 and log.last_removed(OTHER) > 0)
    await log.close()


async def fill_store(path: Path) -> None:
    """Write segments, calls and snapshots of two clients."""
    store = ProjectionStore(path, Clock(), identity="log", heads={ACME: 1000, OTHER: 1000})
    for client in (ACME, OTHER):
        for number in range(1, 30, 2):
            store.write_segment(client, "agent", segment([number, number + 1]))
            body = b"call %d of %d" % (number, client) + b"x" * 100
            store.write_calls(client, number, [(number, "s", 5, body)])
        for entry in (10, 20):
            store.write_snapshot(client, entry, 1, b"snapshot %d of %d" % (entry, client))
    await store.close()


async def fill_kv(path: Path) -> None:
    """Write a site, users and sessions."""
    kv = SqliteKeyValueStore(path)
    for number in range(60):
        await kv.write([Item("user", f"user-{number}", b"%d" % number * 40)])
    await kv.write([Item("site", "47415", b"x" * 9000), Item("user", "user-7", None)])
    await kv.close()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the undamaged data folder of a stopped server."""
    path = tmp_path_factory.mktemp("sound")
    with DataFolder(path) as folder:
        asyncio.run(fill_log(folder))
    asyncio.run(fill_store(path / "mirror.db"))
    asyncio.run(fill_kv(path / "admin.db"))
    return path


def findings(folder: Path) -> list[str]:
    """Return the output of ``floorcast verify --disk``."""
    found = [f"{each.file}: {each.what}" for each in damaged_files(folder)]
    if (folder / "log.db").exists():
        try:
            found += map(str, damaged_entries(folder))
        except FloorcastError as error:  # the command exits with this error
            found.append(str(error))
    return found


def contents(path: Path) -> list[object]:
    """Return the contents of a file with their types but without checksums."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found: list[object] = []
    try:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        for (table,) in sorted(names):
            if table in HARMLESS:
                continue
            columns = [
                name
                for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")
                if not name.endswith("checksum")
            ]
            rows = connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
            found.append((table, columns, sorted(map(repr, rows))))
    finally:
        connection.close()
    return found


def test_an_undamaged_folder_has_no_damage(sound: Path) -> None:
    """An undamaged folder has no findings, even after retention and merges of keys."""
    assert findings(sound) == []


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which files can be damaged one at a time."""
    return tmp_path_factory.mktemp("workshop")


@given(
    where=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255), file=st.sampled_from(FILES)
)
@settings(max_examples=tries(250), deadline=None)
def test_every_flipped_byte_is_found_or_changes_nothing(
    sound: Path, workshop: Path, where: float, change: int, file: str
) -> None:
    """After a byte is changed, either damage is found or the contents are unchanged."""
    content = bytearray((sound / file).read_bytes())
    content[int(where * len(content))] ^= change
    path = workshop / file
    path.write_bytes(content)
    try:
        if not findings(workshop):
            assert contents(path) == contents(sound / file)
    finally:
        for beside in workshop.glob(f"{file}*"):
            beside.unlink()


def test_a_schema_that_an_earlier_release_laid_out_differently_is_sound(
    sound: Path, tmp_path: Path
) -> None:
    """SQLite stores the text of a statement, but only its words matter."""
    folder = Path(shutil.copytree(sound, tmp_path / "copy"))
    with closing(apsw.Connection(str(folder / "admin.db"))) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, '    ', char(10))")
    assert findings(folder) == []
