"""Tests of the spool, which stores a connector's state and events."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.client import CloudEvent
from floorcast.connectors.spool import Spool, SpoolFull
from floorcast.model.errors import SettingError
from tests.real.nodes import temporary_folder
from tests.search import tries


def event(number: int) -> CloudEvent:
    moment = datetime(2026, 3, 4, 5, 6, 7, 89, UTC)
    return CloudEvent(id=str(number), source="s", type="call.end", time=moment, data={"n": number})


def test_stored_data_survives_a_crash(tmp_path: Path) -> None:
    """Events, rows and positions survive a crash, in order. A row set to None is deleted."""
    path = tmp_path / "spool.db"
    with Spool(path) as spool:
        rows: dict[tuple[str, str], object] = {("call", "1.0"): {"a": 1}, ("call", "1.1"): "x"}
        spool.commit([event(n) for n in range(5)], rows, {"queue_log": "here", "last_at": "1"})
        spool.commit([event(5)], {("call", "1.1"): None}, {"queue_log": "there"})
        up_to, events = spool.oldest(2)
        assert events == [event(0), event(1)]
        spool.delete_sent(up_to)
        assert spool.unsent == 4
    with Spool(path) as spool:
        assert spool.unsent == 4
        assert spool.oldest(100)[1] == [event(n) for n in range(2, 6)]
        assert spool.rows() == [("call", "1.0", b'{"a":1}')]
        assert spool.positions() == {"queue_log": "there", "last_at": "1"}
        spool.delete_sent(spool.oldest(100)[0])
        assert spool.oldest(1) == (0, [])


def test_a_step_is_stored_completely_or_not_at_all(tmp_path: Path) -> None:
    """If a row cannot be written, the events of the same step are not stored either."""
    with Spool(tmp_path / "spool.db") as spool:
        with pytest.raises(TypeError):
            spool.commit([event(1)], {("call", "1"): object()}, {})
        with pytest.raises(apsw.Error):
            spool.commit([event(1)], {}, {"name": None})  # type: ignore[dict-item]  # on purpose
        assert spool.oldest(9) == (0, [])
        assert spool.unsent == 0


def test_only_the_owner_can_read_a_spool(tmp_path: Path) -> None:
    """It contains callers' numbers. An existing file becomes private, too, but not a folder."""
    (tmp_path / "old.db").touch(0o644)
    (tmp_path / "folder.db").mkdir(0o755)
    for name in ("new.db", "old.db"):
        with Spool(tmp_path / name) as spool:
            spool.commit([event(1)], {}, {})
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob(f"{name}*")}
        assert set(modes.values()) == {0o600}, modes
    with pytest.raises(SettingError):
        Spool(tmp_path / "folder.db")
    assert (tmp_path / "folder.db").stat().st_mode & 0o777 == 0o755


def test_a_second_connector_on_a_spool_is_refused(tmp_path: Path) -> None:
    """A second connector is refused, because the two would send each other's events."""
    with Spool(tmp_path / "spool.db"), pytest.raises(SettingError, match="another connector"):
        Spool(tmp_path / "spool.db")


def test_a_file_that_is_not_a_spool_is_refused(tmp_path: Path) -> None:
    """The error for a file that is not a spool names the file."""
    (tmp_path / "text").write_text("no database, but long enough to be looked at\n" * 40)
    with pytest.raises(SettingError, match="text cannot be used as a spool"):
        Spool(tmp_path / "text")
    with pytest.raises(SettingError, match="cannot be used as a spool"):
        Spool(tmp_path / "nowhere" / "spool.db")


def test_sqlite_can_read_the_spool(tmp_path: Path) -> None:
    """Users can inspect a spool with SQLite."""
    with Spool(tmp_path / "spool.db") as spool:
        spool.commit([event(1)], {}, {})
    connection = sqlite3.connect(tmp_path / "spool.db")
    assert connection.execute("SELECT count(*) FROM event").fetchone() == (1,)
    connection.close()


def limit_pages(spool: Spool, pages: int) -> None:
    """Make SQLite report a full disk beyond a number of pages."""
    spool._connection.pragma("max_page_count", pages)  # noqa: SLF001 — no disk is that small


def fill(spool: Spool) -> int:
    """Store events one by one until the disk is full. Returns their number."""
    limit_pages(spool, 12)
    for number in count():
        try:
            spool.commit([event(number)], {}, {"last": str(number)})
        except SpoolFull:
            return number
    raise AssertionError("the spool is never full")


def test_a_full_disk_stores_nothing_and_loses_nothing(tmp_path: Path) -> None:
    """The step can be stored once there is room."""
    with Spool(tmp_path / "spool.db") as spool:
        stored = fill(spool)
        with pytest.raises(SpoolFull, match="the disk is full"):
            spool.commit([event(n) for n in range(100)], {}, {})
        assert spool.unsent == len(spool.oldest(10_000)[1]) == stored
        limit_pages(spool, 10_000)
        spool.commit([event(stored)], {}, {})
        assert spool.unsent == stored + 1


def use_all(path: Path) -> str:
    """Use every method of a spool until it is empty. Returns the reason of a SettingError."""
    try:
        with Spool(path) as spool:
            spool.rows()
            spool.positions()
            spool.commit([event(1)], {("call", "1"): None}, {"queue_log": "there"})
            for _ in range(2000):
                up_to, events = spool.oldest(700)
                if not events:
                    return ""
                spool.delete_sent(up_to)
            raise AssertionError("the same events come again")
    except SettingError as error:
        return str(error)


@settings(max_examples=tries(60), deadline=None)
@given(st.integers(0, 400_000), st.binary(min_size=1, max_size=3000))
def test_a_damaged_spool_is_refused_with_a_reason(at: int, damage: bytes) -> None:
    """Every method works or raises SettingError, which names the file and what to do."""
    with temporary_folder() as folder:
        path = folder / "spool.db"
        with Spool(path) as spool:
            rows: dict[tuple[str, str], object] = {("call", str(n)): {"n": n} for n in range(300)}
            spool.commit([event(n) for n in range(1500)], rows, {"queue_log": "here"})
        whole = path.read_bytes()
        at %= len(whole)
        path.write_bytes(whole[:at] + damage + whole[at + len(damage) :])
        reason = use_all(path)
        assert not reason or str(path) in reason


@pytest.mark.parametrize("value", ["7", "1e300", "'text'", "1000000000000"])
def test_a_value_of_another_type_means_damage(tmp_path: Path, value: str) -> None:
    """A number in the place of a row is not a size."""
    path = tmp_path / "spool.db"
    with Spool(path) as spool:
        spool.commit([event(1)], {("call", "1"): {}}, {})
    database = apsw.Connection(str(path))
    database.execute(f"UPDATE event SET line = {value}; UPDATE open SET row = {value}")
    database.close()
    with Spool(path) as spool:
        with pytest.raises(SettingError, match="is damaged"):
            spool.oldest(10)
        ((_, _, row),) = spool.rows()
        assert len(row) < 100


def test_a_deleted_or_replaced_spool_is_noticed(tmp_path: Path) -> None:
    """SQLite continues to write to the deleted file."""
    path = tmp_path / "spool.db"
    with Spool(path) as spool:
        assert spool.is_at_its_path()
        path.unlink()
        assert not spool.is_at_its_path()
        path.touch()
        assert not spool.is_at_its_path()
        spool.commit([event(1)], {}, {})


def test_a_spool_that_becomes_read_only_is_reported_with_its_path(tmp_path: Path) -> None:
    """A disk with errors is mounted again without the right to write."""
    with Spool(tmp_path / "spool.db") as spool:
        spool._connection.pragma("query_only", "ON")  # noqa: SLF001 — root can write every file
        with pytest.raises(SettingError, match=r"spool\.db can no longer be written"):
            spool.commit([event(1)], {}, {})


@pytest.mark.parametrize("path", [Path(), Path("/")])
def test_a_folder_is_not_a_spool(path: Path) -> None:
    """The message names the folder."""
    with pytest.raises(SettingError, match="must be a file"):
        Spool(path)
