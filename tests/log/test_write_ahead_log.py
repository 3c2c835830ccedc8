"""The write-ahead log is preallocated when it is busy, and never read beyond its end."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from floorcast.log.write_ahead_log import WalSizes, WriteAheadLog
from floorcast.sqlite.files import connect, fetch

KIB = 1024
SIZES = WalSizes(busy_bytes=64 * KIB, full_bytes=192 * KIB, room_bytes=256 * KIB)


class House:
    """A file with one table, and its write-ahead log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = connect(path, page_size=4096, synchronous="FULL", cache_kib=100)
        self.wal = WriteAheadLog(self.connection, SIZES)
        self.connection.set_wal_hook(self._committed)
        self.rows = self.pages = 0
        self.connection.execute("CREATE TABLE IF NOT EXISTS calls (body BLOB)")

    def write(self, rows: int = 1) -> None:
        for _ in range(rows):
            self.rows += 1
            self.connection.execute("INSERT INTO calls VALUES (zeroblob(3000))")
            if self.pages >= self.wal.due_pages:
                self.wal.tidy(self.pages)

    def _committed(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self.pages = pages
        return apsw.SQLITE_OK

    @property
    def size(self) -> int:
        return self.path.with_name(self.path.name + "-wal").stat().st_size


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "file.db")


def test_a_quiet_one_takes_no_room(house: House) -> None:
    """The write-ahead log has only the size of the written data."""
    house.write(2)
    assert house.size < 64 * KIB


def test_a_busy_one_is_laid_out_and_written_over(house: House) -> None:
    """From then on, the write-ahead log does not grow, whatever is written."""
    house.write(20)
    assert house.size == 256 * KIB
    house.write(500)
    assert house.size == 256 * KIB
    assert house.path.stat().st_size > 500 * 3000 * 0.9  # it was checkpointed


def test_what_is_behind_its_end_is_never_read(house: House, tmp_path: Path) -> None:
    """After a crash, exactly the committed rows are there."""
    for rows in (20, 7, 90, 1):
        house.write(rows)
        found = House(_crashed(house.path, tmp_path / "crashed"))
        assert fetch(found.connection, "SELECT count(*) FROM calls") == [(house.rows,)]
        assert fetch(found.connection, "PRAGMA integrity_check") == [("ok",)]
        found.connection.close()


def test_a_reader_keeps_it_from_being_moved_and_nothing_is_lost(house: House) -> None:
    """The log grows while a reader uses an old state, and is checkpointed afterwards."""
    house.write(20)
    reader = apsw.Connection(str(house.path), flags=apsw.SQLITE_OPEN_READONLY)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM calls").get == 20
    house.write(300)
    assert house.size > 256 * KIB
    assert reader.execute("SELECT count(*) FROM calls").get == 20
    reader.execute("COMMIT")
    house.write(100)
    reached = house.size
    house.write(100)
    assert house.size == reached
    assert reader.execute("SELECT count(*) FROM calls").get == house.rows
    reader.close()


def _crashed(path: Path, into: Path) -> Path:
    """Copy the files as a crash at this moment would leave them."""
    into.mkdir(exist_ok=True)
    for end in ("", "-wal"):
        (into / f"{path.name}{end}").write_bytes(path.with_name(path.name + end).read_bytes())
    (into / f"{path.name}-shm").unlink(missing_ok=True)
    return into / path.name
