"""Tests that a busy write-ahead log is preallocated, and never read beyond its end."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from floorcast.log.write_ahead_log import WalSizes, WriteAheadLog
from floorcast.sqlite.files import connect, fetch

KIB = 1024
SIZES = WalSizes(
    preallocate_at_bytes=64 * KIB,
    preallocated_bytes=256 * KIB,
    checkpoint_at_bytes=192 * KIB,
    checkpoint_at_payload_bytes=40 * KIB,
)


class Harness:
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
                self.wal.maintain(self.pages, 0)

    def _committed(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self.pages = pages
        return apsw.SQLITE_OK

    @property
    def size(self) -> int:
        return self.path.with_name(self.path.name + "-wal").stat().st_size


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path / "file.db")


def test_idle_write_ahead_log_is_not_preallocated(harness: Harness) -> None:
    """The write-ahead log has only the size of the written data."""
    harness.write(2)
    assert harness.size < 64 * KIB


def test_busy_write_ahead_log_is_preallocated_and_reused(harness: Harness) -> None:
    """From then on, the write-ahead log does not grow, whatever is written."""
    harness.write(20)
    assert harness.size == 256 * KIB
    harness.write(500)
    assert harness.size == 256 * KIB
    assert harness.path.stat().st_size > 500 * 3000 * 0.9  # it was checkpointed


def test_large_commits_are_checkpointed_early(harness: Harness) -> None:
    """A checkpoint then has few pages to flush."""
    size = SIZES.checkpoint_at_payload_bytes
    harness.connection.execute("INSERT INTO calls VALUES (zeroblob(?))", (size,))
    harness.wal.maintain(1, size - 1)
    assert harness.path.stat().st_size < size
    assert size >= harness.wal.due_payload_bytes
    harness.wal.maintain(1, size)
    assert harness.path.stat().st_size > size


def test_data_beyond_the_end_is_never_read(harness: Harness, tmp_path: Path) -> None:
    """After a crash, exactly the committed rows are there."""
    for rows in (20, 7, 90, 1):
        harness.write(rows)
        found = Harness(_crashed(harness.path, tmp_path / "crashed"))
        assert fetch(found.connection, "SELECT count(*) FROM calls") == [(harness.rows,)]
        assert fetch(found.connection, "PRAGMA integrity_check") == [("ok",)]
        found.connection.close()


def test_reader_delays_the_checkpoint_without_loss(harness: Harness) -> None:
    """The log grows while a reader uses an old state, and is checkpointed afterwards."""
    harness.write(20)
    reader = apsw.Connection(str(harness.path), flags=apsw.SQLITE_OPEN_READONLY)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM calls").get == 20
    harness.write(300)
    assert harness.size > 256 * KIB
    assert reader.execute("SELECT count(*) FROM calls").get == 20
    reader.execute("COMMIT")
    harness.write(100)
    reached = harness.size
    harness.write(100)
    assert harness.size == reached
    assert reader.execute("SELECT count(*) FROM calls").get == harness.rows
    reader.close()


def _crashed(path: Path, into: Path) -> Path:
    """Copy the files as a crash at this moment would leave them."""
    into.mkdir(exist_ok=True)
    for end in ("", "-wal"):
        (into / f"{path.name}{end}").write_bytes(path.with_name(path.name + end).read_bytes())
    (into / f"{path.name}-shm").unlink(missing_ok=True)
    return into / path.name
