"""One client's log and store as the archive reads them."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw

from floorcast.archive.stored_floor import StoredFloor
from floorcast.sqlite.checksums import add_function
from tests.archive.sealed_folders import folder
from tests.real.sites import ACME

DAMAGE = "UPDATE snapshots SET blob = zeroblob(length(blob)) WHERE client = ? AND entry = ?"


def test_a_damaged_snapshot_changes_no_sealed_byte(tmp_path: Path) -> None:
    """An older snapshot and a longer part of the log give the same files."""
    with folder(tmp_path) as floor:
        for number in range(3):
            floor.call(number + 1)
            floor.house.close()
            floor.go_on(40)
            floor.house.open()
        floor.go_on(60)
        floor.seal_all()
        sealed = floor.files()
        shutil.rmtree(floor.archive)
        with StoredFloor(floor.house.data, ACME) as source:
            newest = source.state(1 << 40)
        assert newest is not None
        connection = apsw.Connection(str(floor.house.data / "mirror.db"))
        connection.set_busy_timeout(5_000)  # the server also writes
        add_function(connection)
        connection.execute(DAMAGE, (ACME, newest.entry))
        connection.close()
        with StoredFloor(floor.house.data, ACME) as source:
            older = source.state(1 << 40)
        assert older is not None
        assert 0 < older.entry < newest.entry
        floor.seal_all()
        assert floor.files() == sealed
