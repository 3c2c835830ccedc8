"""Tests that an upgrade discards the snapshots and calls of other rules."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from floorcast.floor.state import SNAPSHOT_VERSION, FloorState, snapshot_parts
from floorcast.model.token import position
from floorcast.sqlite.files import fetch_one
from floorcast.store import snapshots
from floorcast.store.call_days import CallDay
from floorcast.store.projection_store import ProjectionStore
from floorcast.store.snapshots import SnapshotBlob
from floorcast.store.superseded import LogBounds
from tests.log.batches import Clock

ACME, OTHER = 47415, 8
DAY = 739_943
OLD, NEW = SNAPSHOT_VERSION - 1, SNAPSHOT_VERSION


def opened(path: Path, bounds: LogBounds | None = None) -> ProjectionStore:
    """Open the store, if ``bounds`` are given with the bounds of both clients' logs."""
    store = ProjectionStore(path, Clock(), identity="log", heads={ACME: 1000, OTHER: 1000})
    if bounds is not None:
        asyncio.run(store.discard_superseded(lambda _client: bounds))
    return store


def fill(path: Path, versions: Iterable[tuple[int, int]]) -> None:
    """Store snapshots of ACME (entry, version), and a call that left memory before each of them.

    OTHER has the same calls, and snapshots of this release.
    """
    store = opened(path)
    for entry, version in versions:
        for client, written_by in ((ACME, version), (OTHER, NEW)):
            at = position(entry - 1, 0)
            store.write_calls(client, at, [(entry, "s", 0, b"a call")])
            store.write_call_days(client, at, [(DAY, 1, CallDay(entry, "s", 1, 1, 5))])
            blob = SnapshotBlob()
            for part in snapshot_parts(FloorState(client=client, entry=entry)):
                blob.add(part)
            store.write_snapshot(client, entry, written_by, blob.content)
    asyncio.run(store.close())


def entries(store: ProjectionStore, client: int = ACME) -> list[int]:
    """Return the entries of the client's snapshots, newest first."""
    found, entry = [], 1000
    while (one := store.newest_snapshot(client, entry)) is not None:
        found.append(one.entry)
        entry = one.entry - 1
    return found


def calls(store: ProjectionStore, client: int = ACME) -> list[int]:
    """Return the numbers of the stored calls. The index lists the same ones."""
    keys = [(number, "s") for number in range(100)]
    found = sorted(number for number, _ in store.find_calls(client, keys, position(1000, 0)))
    listed = store.call_days(client, DAY, 1, position(1000, 0))
    assert found == sorted(row.transaction for rows in listed for row in rows)
    return found


TWO_DAYS = [(10, OLD), (20, OLD), (30, OLD), (40, OLD)]


@pytest.mark.parametrize(
    ("versions", "bounds", "kept", "kept_calls"),
    [
        (TWO_DAYS, (5, 35), [30], [10, 20, 30]),
        (TWO_DAYS, (5, 20), [20], [10, 20]),
        (TWO_DAYS, (15, 17), [20], [10, 20]),  # 10 is older than the log
        (TWO_DAYS, (45, 46), [], [10, 20, 30, 40]),  # none fits the log
        (TWO_DAYS, (15, 0), [20], [10, 20]),  # the time is not known yet
        (TWO_DAYS, (0, 0), [], []),  # the log has no more than the day
        ([(10, OLD), (20, OLD), (30, NEW)], (5, 15), [30, 20, 10], [10, 20, 30]),  # folded again
        ([(10, NEW), (20, NEW + 1)], (5, 15), [20, 10], [10, 20]),  # a newer release was here
    ],
)
def test_only_the_newest_snapshot_before_the_day_stays(
    tmp_path: Path,
    versions: list[tuple[int, int]],
    bounds: tuple[int, int],
    kept: list[int],
    kept_calls: list[int],
) -> None:
    """Calls that left memory after it are deleted, because the fold stores them again."""
    path = tmp_path / "mirror.db"
    fill(path, versions)
    store = opened(path, LogBounds(*bounds))
    assert (entries(store), calls(store)) == (kept, kept_calls)
    everything = [entry for entry, _ in versions]
    assert (entries(store, OTHER), calls(store, OTHER)) == (everything[::-1], everything)
    asyncio.run(store.close())


@pytest.mark.parametrize("damage", ["x'c1'", "x'789c'"])
@pytest.mark.parametrize(("bounds", "base"), [((5, 25), 10), ((15, 25), 30)])
def test_a_damaged_snapshot_is_not_the_base(
    tmp_path: Path, damage: str, bounds: tuple[int, int], base: int
) -> None:
    """The one before it is used, or else the one after it."""
    path = tmp_path / "mirror.db"
    fill(path, TWO_DAYS)
    with closing(apsw.Connection(str(path))) as connection:
        where = f"client = {ACME} AND entry = 20"
        connection.execute(f"UPDATE snapshots SET blob = {damage}, checksum = NULL WHERE {where}")
    store = opened(path, LogBounds(*bounds))
    assert entries(store) == [base]
    asyncio.run(store.close())


@pytest.mark.parametrize("error", [apsw.IOError, apsw.CorruptError])
def test_errors_are_the_writers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[apsw.Error]
) -> None:
    """It tries again after an error of the disk. Instead of a damaged file, it begins a new one."""
    path = tmp_path / "mirror.db"
    fill(path, TWO_DAYS)
    errors = [error("the disk fails")]

    def failing(connection: apsw.Connection, query: str, bindings: tuple[int, ...]) -> object:
        if errors:
            raise errors.pop()
        return fetch_one(connection, query, bindings)

    monkeypatch.setattr(snapshots, "fetch_one", failing)
    store = opened(path, LogBounds(5, 25))
    assert entries(store) == ([20] if error is apsw.IOError else [])
    asyncio.run(store.close())
