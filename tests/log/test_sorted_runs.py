"""Tests of keys on disk, which are found exactly, and merged in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from floorcast.log import compaction, sorted_runs
from floorcast.log.compaction import fingerprint
from floorcast.log.sorted_runs import SortedRun, SortedRuns
from floorcast.log.tuning import LogTuning
from floorcast.sqlite.derived_files import open_derived
from floorcast.sqlite.files import fetch, open_reader
from tests.log.batches import HOUR, Clock
from tests.log.damaging import flip
from tests.log.waiting import until

T = TypeVar("T")


class Harness:
    """Runs of keys with their clock and their event loop."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tuning = LogTuning(merge_runs=4)
        self.clock = Clock()
        self.runner = asyncio.Runner()
        self.runs = self.open()
        self.memtable = 0

    def open(self) -> SortedRuns:
        heads = {1: 1_000_000}
        return SortedRuns(
            self.path,
            self.clock,
            identity="log",
            heads=heads,
            retention=24 * HOUR,
            tuning=self.tuning,
        )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def write(self, *keys: str) -> None:
        """Store a run at the current time."""
        self.memtable += 1
        hour = self.clock.ticks // HOUR
        keys_of_run = {key.encode() for key in keys}
        self.runs.write(
            SortedRun(self.memtable, keys_of_run, 0, {1: self.memtable}, hour), lambda: None
        )

    def find_known(self, *keys: str) -> list[str]:
        since = self.clock.ticks // HOUR - 24
        found = self.run(self.runs.find_known([key.encode() for key in keys], since))
        return sorted(key.decode() for key in found)

    def run_callbacks(self) -> None:
        assert self.runs.wait()
        assert self.runs.backlog == 0

    def reopen(self) -> None:
        self.runs.close()
        self.runs = self.open()

    def tables(self) -> dict[str, int]:
        """Return the number of rows of each table."""
        reader = open_reader(self.path, cache_kib=100)
        names = ("keys", "runs", "marks", "merging", "dropped")
        found = {name: fetch(reader, f"SELECT count(*) FROM {name}")[0][0] for name in names}
        reader.close()
        return found


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    one = Harness(tmp_path / "keys.db")
    yield one
    one.runs.close()
    one.runner.close()


@pytest.mark.parametrize("inline", [0, 1000])
def test_keys_are_found_exactly(harness: Harness, inline: int) -> None:
    """This holds on the event loop and on a thread, for any bytes."""
    harness.tuning = replace(harness.tuning, inline_lookups=inline)
    harness.reopen()
    harness.write("a", "b\x00", "ü")
    harness.write("c", "b\x001")
    harness.run_callbacks()
    assert harness.find_known("a", "b", "b\x00", "b\x001", "c", "d", "ü") == [
        "a",
        "b\x00",
        "b\x001",
        "c",
        "ü",
    ]
    assert harness.find_known() == []
    harness.reopen()
    assert harness.find_known("c", "d") == ["c"]


def test_runs_record_the_last_stored_entry(harness: Harness) -> None:
    """The runs know the entry up to which all keys are stored, and their memtables."""
    assert (harness.runs.checkpoints(), harness.runs.memtable_range()) == ({}, (0, 0))
    harness.write("a")
    harness.write("b")
    harness.run_callbacks()
    harness.reopen()
    assert (harness.runs.checkpoints(), harness.runs.memtable_range()) == ({1: 2}, (1, 2))
    assert sorted(m for marks in harness.runs.fingerprints() for m in marks) == sorted(
        map(fingerprint, [b"a", b"b"])
    )


def test_run_older_than_the_retention_period_is_forgotten(harness: Harness) -> None:
    """The run's keys are unknown at once, and its rows are deleted later."""
    harness.write("old")
    harness.run_callbacks()
    harness.clock.ticks += 24 * HOUR
    assert harness.find_known("old") == ["old"]
    harness.clock.ticks += HOUR
    assert harness.find_known("old") == []


def test_unwritten_keys_are_counted(harness: Harness) -> None:
    """The keys count until they are stored."""
    harness.write("a", "b", "c")
    assert harness.runs.backlog in (0, 3 * sorted_runs.KEY_BYTES)
    harness.run_callbacks()


def test_runs_are_merged_and_deleted_when_idle(harness: Harness) -> None:
    """Old runs are deleted, and runs of one hour are merged, in the background."""
    harness.write("old")
    harness.run_callbacks()
    harness.clock.ticks += 25 * HOUR
    for number in range(4):
        harness.write(str(number))
    harness.run_callbacks()
    while harness.tables() != {"keys": 4, "runs": 1, "marks": 1, "merging": 0, "dropped": 0}:
        assert harness.find_known("0", "3", "old") == ["0", "3"]
    assert harness.find_known("0", "3", "old") == ["0", "3"]


@pytest.mark.parametrize("steps", [0, 1, 3, 5])
def test_damaged_key_is_noticed_although_its_run_is_merged(harness: Harness, steps: int) -> None:
    """A merge copies the key, so its run is verified before. An unfinished merge begins again."""
    harness.tuning = replace(harness.tuning, merge_runs=100)
    harness.reopen()
    for number in range(4):
        harness.write(f"key {number}/")
    harness.run_callbacks()
    harness.runs.close()
    connection = open_derived(
        harness.path, sorted_runs.LAYOUT, cache_kib=100, identity="log", heads={1: 1_000_000}
    )
    for _ in range(steps):
        compaction.step(connection, 0, LogTuning(merge_runs=4, merge_keys=1))
    connection.close()
    flip(harness.path, b"key 0/")
    harness.tuning = LogTuning(merge_runs=4)
    harness.runs = harness.open()
    harness.run(until(lambda: harness.runs.lost))
