"""Tests of the log's file: upgrades from older releases, and the origin of copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from floorcast.log.log_file import APPLICATION, FollowedLog, StreamPosition, first_id, open_log
from floorcast.log.log_reader import LogReader
from floorcast.log.schema import STEPS
from floorcast.sqlite.files import Schema, connect, migrate

ROW = "INSERT INTO entries VALUES (?, ?, ?, 0, ?)"


def test_log_of_an_older_release_is_upgraded(tmp_path: Path) -> None:
    """The log's contents are kept, and from then on each stream's site is stored."""
    path = tmp_path / "log.db"
    log = connect(path, page_size=4096, synchronous="FULL", cache_kib=100)
    migrate(log, Schema(APPLICATION, STEPS[:1]), "log.db")
    log.execute("INSERT INTO origin VALUES ('log')")
    log.execute("INSERT INTO streams (ordinal, client, site) VALUES (1, 7, x'aa'), (2, 8, NULL)")
    log.execute("INSERT INTO streams (ordinal, client, site) VALUES (3, 9, x'bb')")
    for number, kind, payload in ((5, 1, b"c"), (6, 1, b"d"), (7, 0, b"e")):
        log.execute(ROW, (first_id(3) + number, number, kind, payload))
    log.close()
    open_log(path).close()
    reader = LogReader(path)
    assert {row.client: row.site for row in reader.streams()} == {7: b"\xaa", 8: None, 9: b"d"}
    assert reader.stream_positions() == {}
    reader.close()


@pytest.mark.parametrize(
    ("has", "wanted", "covers"),
    [
        ("", "", True),
        ("", "7,8", True),
        ("7,8", "8", True),
        ("7,8", "7,9", False),
        ("7,8", "", False),
    ],
)
def test_copy_has_only_the_selected_clients(has: str, wanted: str, covers: bool) -> None:
    """A copy of all clients is complete. Other logs or streams are refused."""
    mine, other = FollowedLog("log", ["a", "b"], has), FollowedLog("log", ["b", "a"], wanted)
    assert mine.covers(other) == covers
    assert not mine.covers(other._replace(identity="another"))
    assert not mine.covers(other._replace(streams=["a"]))


def test_copy_records_its_origin(tmp_path: Path) -> None:
    """The copy also remembers its clients, because it may lack entries of others."""
    path = tmp_path / "log.db"
    followed_log = FollowedLog("log", ["a", "b"])
    open_log(path, followed_log).close()
    open_log(path, followed_log._replace(clients="7")).close()
    reader = LogReader(path)
    assert reader.followed_log() == FollowedLog("log", ["a", "b"], "7")
    assert (reader.stream_positions(), reader.identity()) == (
        {name: StreamPosition(name, 0) for name in "ab"},
        "log",
    )
    reader.close()
