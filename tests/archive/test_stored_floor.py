"""Tests of how the archive reads a client's log and store."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw
import pytest

from floorcast.archive.stored_floor import StoredFloor
from floorcast.model.errors import Unavailable
from floorcast.sqlite.checksums import add_checksum_function
from tests.archive.sealed_folders import folder
from tests.real.sites import ACME

DAMAGE = "UPDATE snapshots SET blob = zeroblob(length(blob)) WHERE client = ? AND entry = ?"


def test_a_damaged_snapshot_does_not_change_sealed_files(tmp_path: Path) -> None:
    """Sealing from an older snapshot, and a longer part of the log, gives the same files."""
    with folder(tmp_path) as floor:
        for number in range(3):
            floor.call(number + 1)
            floor.harness.close()
            floor.advance(40)
            floor.harness.open()
        floor.advance(60)
        floor.seal_all()
        sealed = floor.files()
        shutil.rmtree(floor.archive)
        with StoredFloor(floor.harness.data, ACME) as source:
            newest = source.state(1 << 40)
        assert newest is not None
        connection = apsw.Connection(str(floor.harness.data / "mirror.db"))
        connection.set_busy_timeout(5_000)  # the server may be writing
        add_checksum_function(connection)
        connection.execute(DAMAGE, (ACME, newest.entry))
        connection.close()
        with StoredFloor(floor.harness.data, ACME) as source:
            older = source.state(1 << 40)
        assert older is not None
        assert 0 < older.entry < newest.entry
        floor.seal_all()
        assert floor.files() == sealed


def test_entries_removed_by_retention_during_a_read_are_an_error(tmp_path: Path) -> None:
    """Reading on after the removed entries would silently lose their counts."""
    with folder(tmp_path) as floor:
        for number in range(30):
            floor.call(number + 1)  # five entries
        with StoredFloor(floor.harness.data, ACME) as source:
            reading = source.entries(0)
            first = next(reading)
            _change(floor.harness.data / "log.db", "DELETE FROM entries WHERE id % 1000 <= 100")
            _change(floor.harness.data / "log.db", "UPDATE streams SET removed = 100")
            with pytest.raises(Unavailable, match="try again"):
                list(reading)
            assert first.number == 1
            assert next(source.entries(source.removed)).number == 101


def test_reads_of_the_store_are_consistent(tmp_path: Path) -> None:
    """If the store's calls are deleted during a report, the report still reads them."""
    with folder(tmp_path) as floor:
        floor.call(1)
        floor.advance(20)
        floor.call(2)
        floor.harness.close()
        key = (1, "S1")
        with StoredFloor(floor.harness.data, ACME) as source:
            before = source.find_calls([key], 1 << 62)
            _change(floor.harness.data / "mirror.db", "DELETE FROM calls")
            assert source.find_calls([key], 1 << 62) == before != {}
        with StoredFloor(floor.harness.data, ACME) as source:
            assert source.find_calls([key], 1 << 62) == {}
        floor.harness.open()


def _change(file: Path, sql: str) -> None:
    connection = apsw.Connection(str(file))
    connection.set_busy_timeout(5_000)  # the server may be writing
    add_checksum_function(connection)
    connection.execute(sql)
    connection.close()
