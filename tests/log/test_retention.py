"""The log's retention, a bite at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest

from floorcast.log import retention
from floorcast.log.log_file import SITE, first_id, open_log
from floorcast.log.retention import Retention
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
        connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", row)
    return connection


def a_janitor(path: Path, clock: Clock, ordinals: Sequence[int]) -> Retention:
    connection = connect(path, page_size=4096, synchronous="NORMAL", cache_kib=100)
    return Retention(connection, ordinals, clock, 10 * HOUR)


def left(connection: apsw.Connection) -> list[tuple[int, int]]:
    found = fetch(connection, "SELECT id FROM entries ORDER BY id")
    return [(row >> 44, row & (1 << 44) - 1) for (row,) in found]


def test_the_oldest_goes_first_whosever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams take turns by the age of what stands in front."""
    monkeypatch.setattr(retention, "BITE", 1)
    path, clock = tmp_path / "log.db", Clock()
    log = stored(path, [(1, 1, 0, 0, 5), (1, 2, 3, 0, 5), (2, 1, 1, 0, 5), (2, 2, 9, 0, 5)])
    sweeper = a_janitor(path, clock, (1, 2))
    assert sweeper.bite() == 0
    clock.ticks += 14 * HOUR
    gone = []
    while sweeper.bite():
        gone.append(left(log))
    assert gone == [[(1, 2), (2, 1), (2, 2)], [(1, 2), (2, 2)], [(2, 2)]]
    sweeper.close()


def test_a_bite_ends_early_where_entries_are_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But takes one at least."""
    monkeypatch.setattr(retention, "BITE_BYTES", 1000)
    path, clock = tmp_path / "log.db", Clock()
    stored(path, [(1, n, 0, 0, size) for n, size in enumerate([5000, 400, 400, 400, 10], 1)])
    clock.ticks += 11 * HOUR
    sweeper = a_janitor(path, clock, (1,))
    assert [sweeper.bite() for _ in range(3)] == [1, 3, 1]
    sweeper.close()


def test_the_stream_remembers_what_stood_in_front(tmp_path: Path) -> None:
    """The last number and time that went, and the last site entry with them."""
    path, clock = tmp_path / "log.db", Clock()
    entries = [(1, 1, 0, SITE, 3), (1, 2, 1, SITE, 4), (1, 3, 2, 0, 5), (1, 4, 20, SITE, 6)]
    log = stored(path, entries)
    clock.ticks += 13 * HOUR
    sweeper = a_janitor(path, clock, (1,))
    assert sweeper.bite() == 3
    row = fetch_one(log, "SELECT * FROM streams")
    site = (2, START + HOUR, b"xxxx")
    assert row == (1, 100, 3, START + 2 * HOUR, *site)
    clock.ticks += 24 * HOUR
    assert sweeper.bite() == 1
    assert fetch_one(log, "SELECT removed, site FROM streams") == (4, b"xxxxxx")
    sweeper.note(1, first_id(1) + 5, START + 30 * HOUR)
    assert sweeper.bite() == 0
    sweeper.close()
