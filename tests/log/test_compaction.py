"""Tests that runs are merged and deleted in small steps without losing a key."""

from __future__ import annotations

from array import array
from random import Random

import apsw
from hypothesis import given
from hypothesis import strategies as st

from floorcast.log import compaction
from floorcast.log.compaction import fingerprint
from floorcast.log.tuning import LogTuning
from floorcast.sqlite.files import fetch, fetch_one

SMALL = LogTuning(merge_runs=3, merge_keys=4)
FIND = "SELECT count(*) FROM runs JOIN keys ON keys.run = runs.id AND keys.key = ?"


def opened() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    connection.execute(compaction.SCHEMA + compaction.CHECKSUMS)
    return connection


def add(connection: apsw.Connection, keys: set[bytes], hour: int) -> None:
    run = connection.execute(compaction.NEXT_RUN).get
    connection.executemany("INSERT INTO keys VALUES (?, ?)", [(run, key) for key in sorted(keys)])
    connection.execute("INSERT INTO runs VALUES (?, 0, ?, ?, ?)", (run, run, run, hour))
    marks = array("I", map(fingerprint, keys)).tobytes()
    connection.execute("INSERT INTO marks (run, marks) VALUES (?, ?)", (run, marks))


def holds(connection: apsw.Connection, key: bytes) -> int:
    """Return the number of active runs that have the key."""
    return int(fetch_one(connection, FIND, (key,))[0])


def finish(connection: apsw.Connection, before: int = 0) -> int:
    steps = 0
    while compaction.step(connection, before, SMALL):
        steps += 1
        assert steps < 10_000
    return steps


def levels(connection: apsw.Connection) -> list[int]:
    return [level for (level,) in fetch(connection, "SELECT level FROM runs ORDER BY first_wave")]


def test_every_key_is_found_at_every_step() -> None:
    """From the first step to the last, exactly one active run has each key."""
    connection = opened()
    keys = {b"%d" % number for number in range(60)}
    for start in range(6):
        add(connection, {b"%d" % number for number in range(start * 10, start * 10 + 10)}, 1)
    while compaction.step(connection, 0, SMALL):
        assert {holds(connection, key) for key in keys} == {1}
    assert levels(connection) == [1, 1]
    tables = ("keys", "marks", "merging", "dropped")
    counts = [fetch_one(connection, f"SELECT count(*) FROM {name}")[0] for name in tables]
    assert counts == [60, 2, 0, 0]


def test_key_is_merged_at_most_twice() -> None:
    """A run of the top level is not merged again."""
    connection = opened()
    for number in range(30):
        add(connection, {b"%d" % number}, 1)
        finish(connection)
    assert levels(connection) == [2, 2, 2, 1]


def test_merged_run_has_the_fingerprints_of_its_keys() -> None:
    """The filter is loaded from these fingerprints."""
    connection = opened()
    for number in range(3):
        add(connection, {b"%d" % number, b"x%d" % number}, 1)
    finish(connection)
    (stored,) = fetch_one(connection, "SELECT marks FROM marks")
    keys = [key for (key,) in fetch(connection, "SELECT key FROM keys")]
    assert sorted(array("I", stored)) == sorted(map(fingerprint, keys))


def test_merged_run_keeps_the_hour_of_its_sources() -> None:
    """The run's keys expire with that hour, as if they had not been merged."""
    connection = opened()
    for number in range(3):
        add(connection, {b"%d" % number}, 7)
    finish(connection)
    row = fetch_one(connection, "SELECT first_wave, last_wave, hour FROM runs")
    assert row == (1, 3, 7)
    finish(connection, before=7)
    assert holds(connection, b"1") == 1
    finish(connection, before=8)
    assert fetch(connection, "SELECT * FROM keys") == []
    assert fetch(connection, "SELECT * FROM marks") == []


def test_runs_of_different_hours_are_not_merged() -> None:
    """Otherwise, keys would be kept too long. Runs of one hour need not be adjacent."""
    connection = opened()
    for hour in (4, 5, 4, 5, 4, 6, 6):
        add(connection, {b"%d" % hour}, hour)
    finish(connection)
    runs = fetch(connection, "SELECT hour, level FROM runs ORDER BY hour")
    assert runs == [(4, 1), (5, 0), (5, 0), (6, 0), (6, 0)]


def test_key_in_several_runs_is_in_one_after_merging() -> None:
    """The key had expired, and came again before its old row was deleted."""
    connection = opened()
    for number in range(3):
        add(connection, {b"a", b"%d" % number}, 1)
    finish(connection)
    assert holds(connection, b"a") == 1


@given(st.integers(0, 20))
def test_abandoned_merge_loses_no_key(steps: int) -> None:
    """Its runs stay, and the keys that it has written are deleted."""
    connection = opened()
    keys = {b"%d" % number for number in range(30)}
    for start in range(0, 30, 10):
        add(connection, {b"%d" % number for number in range(start, start + 10)}, 1)
    for _ in range(steps):
        compaction.step(connection, 0, SMALL)
    compaction.abandon_merge(connection)
    assert {holds(connection, key) for key in keys} == {1}
    finish(connection)
    assert {holds(connection, key) for key in keys} == {1}
    assert fetch_one(connection, "SELECT count(*) FROM keys") == (30,)


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_failed_step_changes_nothing(seed: int, runs: int) -> None:
    """The file has the whole state of a step, so the step is repeated."""
    random, connection = Random(seed), opened()
    keys: set[bytes] = set()
    for _ in range(runs):
        some = {b"%d" % random.randrange(10**6) for _ in range(random.randrange(1, 9))} - keys
        keys |= some
        add(connection, some, random.randrange(3))
    more = True
    while more:
        connection.execute("SAVEPOINT before")
        more = compaction.step(connection, 0, SMALL)
        if random.random() < 0.3:
            connection.execute("ROLLBACK TO before")
            more = True
        connection.execute("RELEASE before")
    assert {holds(connection, key) for key in keys} == {1}
    assert fetch(connection, "SELECT * FROM dropped") == []
