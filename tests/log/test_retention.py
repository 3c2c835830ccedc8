"""The log's retention, some entries at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw

from floorcast.log.log_file import SITE, LogReader, first_id, open_log
from floorcast.log.retention import Retention
from floorcast.log.tuning import Tuning
from floorcast.sqlite.files import connect, fetch, fetch_one
from tests.log.batches import HOUR, START, Clock


def stored(path: Path, entries: Sequence[tuple[int, int, int, int, int]]) -> apsw.Connection:
    """A log of entries: ordinal, number, hour taken, kind, bytes."""
    connection = open_log(path)
    for ordinal, number, hour, kind, size in entries:
        connection.execute(
            "INSERT OR IGNORE INTO streams VALUES (?, ?, 0, 0, NULL, NULL, NULL)",
            (ordinal, ordinal * 100),
        )
        row = (first_id(ordinal) + number, START + hour * HOUR, kind, 1, b"x" * size)
        connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, NULL)", row)
    return connection


def opened(path: Path, clock: Clock, tuning: Tuning | None = None) -> Retention:
    reader = LogReader(path)
    streams = reader.streams()
    reader.close()
    connection = connect(path, page_size=4096, synchronous="FULL", cache_kib=100)
    return Retention(connection, streams, clock, 10 * HOUR, tuning or Tuning())


def left(connection: apsw.Connection) -> list[tuple[int, int]]:
    found = fetch(connection, "SELECT id FROM entries ORDER BY id")
    return [(row >> 44, row & (1 << 44) - 1) for (row,) in found]


def test_the_oldest_goes_first_whosever_it_is(tmp_path: Path) -> None:
    """Streams take turns by the age of what stands in front."""
    path, clock = tmp_path / "log.db", Clock()
    log = stored(path, [(1, 1, 0, 0, 5), (1, 2, 3, 0, 5), (2, 1, 1, 0, 5), (2, 2, 9, 0, 5)])
    sweeper = opened(path, clock, Tuning(retention_entries=1))
    assert sweeper.remove_some() == 0
    clock.ticks += 14 * HOUR
    gone = []
    while sweeper.remove_some():
        gone.append(left(log))
    assert gone == [[(1, 2), (2, 1), (2, 2)], [(1, 2), (2, 2)], [(2, 2)]]
    sweeper.close()


def test_large_entries_go_a_few_at_a_time(tmp_path: Path) -> None:
    """But one at least."""
    path, clock = tmp_path / "log.db", Clock()
    stored(path, [(1, n, 0, 0, size) for n, size in enumerate([5000, 400, 400, 400, 10], 1)])
    clock.ticks += 11 * HOUR
    sweeper = opened(path, clock, Tuning(retention_bytes=1000))
    assert [sweeper.remove_some() for _ in range(3)] == [1, 3, 1]
    sweeper.close()


def test_the_stream_remembers_what_stood_in_front(tmp_path: Path) -> None:
    """The last number and time that went, and the last site entry with them."""
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
    sweeper.note(1, first_id(1) + 5, START + 30 * HOUR)
    assert sweeper.remove_some() == 0
    sweeper.close()
