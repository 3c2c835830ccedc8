"""Tests of the log's retention, which removes a few entries at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest
from structlog.testing import capture_logs

from floorcast.log.log_file import SITE, first_id, open_log
from floorcast.log.log_reader import LogReader
from floorcast.log.retention import Retention, SteadyClock, kept_since
from floorcast.log.tuning import LogTuning
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.sqlite.files import connect, fetch, fetch_one
from tests.log.batches import HOUR, START, Clock


def stored(path: Path, entries: Sequence[tuple[int, int, int, int, int]]) -> apsw.Connection:
    """Create a log of these entries: ordinal, number, hour recorded, kind, bytes."""
    connection = open_log(path)
    for ordinal, number, hour, kind, size in entries:
        connection.execute(
            "INSERT OR IGNORE INTO streams VALUES (?, ?, 0, 0, NULL, NULL, NULL)",
            (ordinal, ordinal * 100),
        )
        row = (first_id(ordinal) + number, START + hour * HOUR, kind, 1, b"x" * size)
        connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, NULL)", row)
    return connection


def opened(path: Path, clock: Clock, tuning: LogTuning | None = None) -> Retention:
    reader = LogReader(path)
    streams = reader.streams()
    reader.close()
    connection = connect(path, page_size=4096, synchronous="FULL", cache_kib=100)
    return Retention(connection, streams, clock, 10 * HOUR, tuning or LogTuning())


def remaining_entries(connection: apsw.Connection) -> list[tuple[int, int]]:
    found = fetch(connection, "SELECT id FROM entries ORDER BY id")
    return [(row >> 44, row & (1 << 44) - 1) for (row,) in found]


def test_oldest_entry_of_any_client_is_removed_first(tmp_path: Path) -> None:
    """Streams take turns by the age of their first entry."""
    path, clock = tmp_path / "log.db", Clock()
    log = stored(path, [(1, 1, 0, 0, 5), (1, 2, 3, 0, 5), (2, 1, 1, 0, 5), (2, 2, 9, 0, 5)])
    sweeper = opened(path, clock, LogTuning(retention_entries=1))
    assert sweeper.remove_some() == 0
    clock.ticks += 14 * HOUR
    gone = []
    while sweeper.remove_some():
        gone.append(remaining_entries(log))
    assert gone == [[(1, 2), (2, 1), (2, 2)], [(1, 2), (2, 2)], [(2, 2)]]
    sweeper.close()


def test_large_entries_are_removed_a_few_at_a_time(tmp_path: Path) -> None:
    """At least one entry is removed."""
    path, clock = tmp_path / "log.db", Clock()
    stored(path, [(1, n, 0, 0, size) for n, size in enumerate([5000, 400, 400, 400, 10], 1)])
    clock.ticks += 11 * HOUR
    sweeper = opened(path, clock, LogTuning(retention_bytes=1000))
    assert [sweeper.remove_some() for _ in range(3)] == [1, 3, 1]
    sweeper.close()


def test_stream_records_the_last_removed_entry(tmp_path: Path) -> None:
    """The stream has the last removed number and time, and the last removed site entry."""
    path, clock = tmp_path / "log.db", Clock()
    entries = [(1, 1, 0, SITE, 3), (1, 2, 1, SITE, 4), (1, 3, 2, 0, 5), (1, 4, 20, SITE, 6)]
    log = stored(path, entries)
    clock.ticks += 13 * HOUR
    sweeper = opened(path, clock)
    assert sweeper.remove_some() == 3
    row = fetch_one(log, "SELECT * FROM streams")
    site = (2, START + HOUR, b"xxxx")
    assert row == (1, 100, 3, START + 2 * HOUR, *site)
    clock.ticks += 24 * HOUR
    assert sweeper.remove_some() == 1
    assert fetch_one(log, "SELECT removed, site FROM streams") == (4, b"xxxxxx")
    sweeper.record_oldest(1, first_id(1) + 5, START + 30 * HOUR)
    assert sweeper.remove_some() == 0
    sweeper.close()


@pytest.mark.parametrize(("before", "removed"), [(0, 0), (1, 1)])
def test_an_entry_is_kept_for_the_retention(tmp_path: Path, before: int, removed: int) -> None:
    """An entry of the first kept tick stays, and one of the tick before is removed."""
    path, clock = tmp_path / "log.db", Clock()
    log = stored(path, [(1, 1, 0, 0, 5)])
    log.execute("UPDATE entries SET taken = ?", (kept_since(START, 10 * HOUR) - before,))
    sweeper = opened(path, clock)
    assert sweeper.due is bool(removed)
    assert sweeper.remove_some() == removed
    sweeper.close()


def test_a_stream_without_entries_is_not_known(tmp_path: Path) -> None:
    """The next entry of such a stream is its oldest one, which the log then records."""
    path, clock = tmp_path / "log.db", Clock()
    stored(path, [(1, 1, 0, 0, 5), (1, 2, 30, 0, 5), (2, 1, 0, 0, 5)])
    sweeper = opened(path, clock)
    assert sweeper.known == {1, 2}
    clock.ticks += 20 * HOUR
    while sweeper.remove_some():
        pass
    assert sweeper.known == {1}
    sweeper.record_oldest(2, first_id(2) + 2, START + 20 * HOUR)
    assert sweeper.known == {1, 2}
    sweeper.close()


def test_restored_copies_leave_with_their_entries(tmp_path: Path) -> None:
    """An intact copy of a damaged entry is not kept longer than the entry itself."""
    path, clock = tmp_path / "log.db", Clock()
    log = stored(path, [(1, 1, 0, 0, 5), (1, 2, 30, 0, 5), (2, 1, 30, 0, 5)])
    log.execute("INSERT INTO restored SELECT id, taken, kind, count, payload, 0 FROM entries")
    clock.ticks += 20 * HOUR
    sweeper = opened(path, clock)
    assert sweeper.remove_some() == 1
    kept = [(first_id(1) + 2,), (first_id(2) + 1,)]
    assert list(fetch(log, "SELECT id FROM restored ORDER BY id")) == kept
    sweeper.close()


class Clocks:
    """A wall clock and a monotonic clock, and the steady clock that uses both."""

    def __init__(self, newest: int = 0) -> None:
        self.wall = Clock()
        self.seconds = 5000.0
        self.steady = SteadyClock(self.wall, newest, monotonic=lambda: self.seconds)

    def pass_time(self, seconds: int) -> None:
        self.wall.ticks += seconds * TICKS_PER_SECOND
        self.seconds += seconds


def test_wall_clock_is_used_while_both_clocks_agree() -> None:
    """This holds at any time, for small steps of the wall clock, and for steps back."""
    clocks = Clocks(START - HOUR // 2)
    for seconds in (0, 1, 86_400, 30 * 86_400):
        clocks.pass_time(seconds)
        assert clocks.steady() == clocks.wall.ticks
    for step in (HOUR // 2, -HOUR, HOUR // 3, -40 * HOUR):
        clocks.wall.ticks += step
        assert clocks.steady() == clocks.wall.ticks


def test_clock_jump_is_ignored_until_the_clock_is_back() -> None:
    """The monotonic clock counts until then. The start and the end are each logged once."""
    clocks = Clocks()
    assert clocks.steady() == START
    clocks.wall.ticks += 28 * HOUR
    with capture_logs() as logged:
        for _ in range(3):
            clocks.pass_time(1)
            assert clocks.steady() == clocks.wall.ticks - 28 * HOUR
        clocks.wall.ticks -= 28 * HOUR
        for _ in range(3):
            assert clocks.steady() == clocks.wall.ticks
    assert [line["event"] for line in logged] == ["retention_held", "retention_goes_on"]
    assert logged[0]["clock_ahead_hours"] == 28.0


def test_lasting_clock_jump_is_accepted_after_an_hour() -> None:
    """The machine may have been suspended, and then the old data really is old."""
    clocks = Clocks()
    clocks.steady()
    clocks.wall.ticks += 28 * HOUR
    clocks.steady()
    clocks.pass_time(3599)
    assert clocks.steady() == clocks.wall.ticks - 28 * HOUR
    clocks.pass_time(1)
    with capture_logs() as logged:
        assert clocks.steady() == clocks.wall.ticks
    assert [line["event"] for line in logged] == ["retention_goes_on"]
    clocks.pass_time(60)
    assert clocks.steady() == clocks.wall.ticks


def test_start_far_after_the_newest_entry_counts_as_a_jump() -> None:
    """The time without a server counts as a leap. A log without entries accepts any clock."""
    clocks = Clocks(newest=START - 28 * HOUR)
    assert clocks.steady() == START - 28 * HOUR
    clocks.pass_time(3600)
    assert clocks.steady() == clocks.wall.ticks
    assert Clocks(newest=0).steady() == START
    assert Clocks(newest=START - HOUR).steady() == START, "an hour is not far"
    assert Clocks(newest=START - HOUR - 1).steady() == START - HOUR - 1


def test_learning_the_time_is_not_a_clock_jump() -> None:
    """The clock returns the node's time unchanged, and learning the right time is not a leap."""
    clocks = Clocks(newest=START - HOUR // 2)
    clocks.wall.ticks = 0
    assert clocks.steady() == 0
    clocks.wall.ticks = START
    assert clocks.steady() == START
