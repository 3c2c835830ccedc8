"""Tests that damage to the store is found at a read, is reported, and is never served."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from floorcast.model.errors import Unavailable
from floorcast.store.damage import DamagedRow, reading_derived
from floorcast.store.projection_store import ProjectionStore, Snapshot
from tests.log.batches import Clock
from tests.log.damaging import flip, leaf_of, zero_page
from tests.log.waiting import until
from tests.store.segments import segment

ACME, OTHER = 47415, 8


class StoreHarness:
    """A store in a file, and the damage that it has reported."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runner = asyncio.Runner()
        self.reported: list[int] = []
        self.open()

    def open(self) -> None:
        heads = {ACME: 1000, OTHER: 1000}
        self.store = ProjectionStore(self.path, Clock(), identity="log", heads=heads)
        self.store.on_damage = self.reported.append

    def fill(self) -> None:
        """Write data of every kind for both clients."""
        for client in (ACME, OTHER):
            for number in range(1, 60, 2):
                self.store.write_segment(client, "agent", segment([number, number + 1]))
                body = b"call %d of %d" % (number, client) + b"x" * 300
                self.store.write_calls(client, number, [(number, "s", 5, body)])
            for entry in (10, 20):
                blob = b"snapshot %d of %d" % (entry, client)
                self.store.write_snapshot(client, entry, 1, blob)

    def close(self) -> None:
        self.runner.run(self.store.close())


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[StoreHarness]:
    one = StoreHarness(tmp_path / "mirror.db")
    one.fill()
    one.close()
    yield one
    one.close()
    one.runner.close()


def whole(harness: StoreHarness, client: int, first: int) -> bytes:
    """Return the body of the segment that begins at a position."""
    heads = harness.store.segments(client, "agent", first - 1, 1)
    found = harness.store.segment(client, "agent", heads[0])
    assert found is not None
    return found.body


def test_a_flipped_byte_of_a_segment_is_not_served(harness: StoreHarness) -> None:
    """The segment's client is reported once, and other clients' segments can still be read."""
    flip(harness.path, b'{"place":31}')
    harness.open()
    assert whole(harness, ACME, 29)
    for _ in range(2):
        with pytest.raises(Unavailable):
            whole(harness, ACME, 31)
    assert set(harness.reported) <= {ACME, OTHER}
    assert len(harness.reported) == 1
    assert harness.store.rebuilding == {ACME}


def test_a_flipped_byte_of_a_call_is_not_served(harness: StoreHarness) -> None:
    """A call is not served whichever byte of its row is flipped."""
    flip(harness.path, b"call 31 of 8")
    harness.open()
    assert harness.store.find_calls(ACME, [(31, "s")], 99)
    with pytest.raises(Unavailable):
        harness.store.find_calls(OTHER, [(31, "s")], 99)
    assert harness.reported == [OTHER]


def test_a_damaged_snapshot_is_replaced_by_the_previous_one(harness: StoreHarness) -> None:
    """An older snapshot replaces a damaged one, and there is none if both are damaged."""
    flip(harness.path, zlib.compress(b"snapshot 20 of 47415", 1))
    harness.open()
    assert harness.store.newest_snapshot(ACME, 99) == Snapshot(10, 1, b"snapshot 10 of 47415")
    harness.close()
    flip(harness.path, zlib.compress(b"snapshot 10 of 47415", 1))
    harness.open()
    assert harness.store.newest_snapshot(ACME, 99) is None
    assert harness.reported == []


def test_deleted_data_can_be_written_again(harness: StoreHarness) -> None:
    """Only the client's segments and calls are deleted, and its snapshots stay."""
    harness.open()
    harness.runner.run(harness.store.delete_client(ACME))
    assert harness.store.covered(ACME, "agent") == 0
    assert harness.store.segments(ACME, "agent", 0, 9) == []
    assert harness.store.find_calls(ACME, [(31, "s")], 99) == {}
    assert harness.store.newest_snapshot(ACME, 99) is not None
    assert harness.store.covered(OTHER, "agent") == 60
    harness.store.write_segment(ACME, "agent", segment([1, 2]))
    assert whole(harness, ACME, 1)
    harness.runner.run(until(lambda: harness.store.backlog == 0))
    assert whole(harness, ACME, 1)
    assert harness.store.covered(ACME, "agent") == 2


@pytest.mark.parametrize("table", ["segments", "calls", "snapshots"])
def test_a_page_of_zeros_replaces_the_file(harness: StoreHarness, table: str) -> None:
    """Every client is reported as damaged, and later writes go to a new file."""
    zero_page(harness.path, leaf_of(harness.path, table, 0))
    harness.open()

    def read() -> None:
        for client in (ACME, OTHER):
            for number in range(1, 60, 2):
                harness.store.find_calls(client, [(number, "s")], 99)
                whole(harness, client, number)
            harness.store.newest_snapshot(client, 99)

    with suppress(Unavailable):  # any of these reads may find the page
        read()

    def reported() -> bool:
        harness.store.covered(ACME, "agent")
        return len(harness.reported) == 2

    harness.runner.run(until(reported))
    assert set(harness.reported) == {ACME, OTHER}
    assert harness.store.rebuilding == {ACME, OTHER}
    harness.store.write_snapshot(ACME, 30, 1, b"new")
    harness.runner.run(until(lambda: harness.store.backlog == 0))
    assert harness.store.newest_snapshot(ACME, 99) == Snapshot(30, 1, b"new")
    assert harness.store.healthy


def test_rows_of_an_older_release_have_no_checksums(harness: StoreHarness) -> None:
    """Data that an older release stored has no checksums and is read unchecked."""
    connection = apsw.Connection(str(harness.path))
    for table in ("segments", "calls", "snapshots"):
        connection.execute(f"UPDATE {table} SET checksum = NULL")
    connection.execute("UPDATE segments SET head_checksum = NULL")
    connection.close()
    harness.open()
    assert whole(harness, ACME, 31)
    assert harness.store.find_calls(ACME, [(31, "s")], 99)
    assert harness.store.newest_snapshot(ACME, 99) is not None
    assert harness.reported == []


@pytest.mark.parametrize(
    ("error", "reported"),
    [(DamagedRow(), [7]), (apsw.CorruptError(), [None]), (apsw.IOError(), [])],
)
def test_only_damage_is_reported(error: Exception, reported: list[int | None]) -> None:
    """A failing disk is not reported as damage, because it may recover."""
    found: list[int | None] = []
    with pytest.raises(Unavailable), reading_derived(7, found.append):
        raise error
    assert found == reported
