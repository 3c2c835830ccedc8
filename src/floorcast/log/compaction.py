"""Merges and deletes runs of keys, in small steps, on the background writer's thread.

A merge copies the keys of some runs of one hour into a new run, in key order. The new run is used
only when it is complete, and the old runs are dropped in the same transaction. Each step reads its
whole state from the file, so a crash or a failed step changes nothing.
"""

from __future__ import annotations

from array import array
from functools import cache
from typing import NamedTuple
from zlib import crc32

import apsw

from floorcast.log.tuning import LogTuning
from floorcast.sqlite.checksums import ChecksummedTable, checksum
from floorcast.sqlite.files import fetch

__all__ = [
    "ADD_FINGERPRINTS",
    "CHECKSUMMED_TABLES",
    "CHECKSUMS",
    "NEXT_RUN",
    "RUNS",
    "SCHEMA",
    "abandon_merge",
    "fingerprint",
    "is_undamaged",
    "read_fingerprints",
    "step",
]

fingerprint = crc32
"""The stored fingerprint of a key for the Bloom filter: 32 bits, the same in every process."""

LEVELS = 2  # maximum number of merges per key

SCHEMA = """
CREATE TABLE keys (run INTEGER NOT NULL, key BLOB NOT NULL, PRIMARY KEY (run, key)) WITHOUT ROWID;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    level INTEGER NOT NULL,
    first_wave INTEGER NOT NULL,
    last_wave INTEGER NOT NULL,
    hour INTEGER NOT NULL
);
CREATE TABLE marks (run INTEGER PRIMARY KEY, marks BLOB NOT NULL);
CREATE TABLE merging (run INTEGER PRIMARY KEY, target INTEGER NOT NULL);
CREATE TABLE dropped (run INTEGER PRIMARY KEY);
"""

CHECKSUMMED_TABLES = (
    ChecksummedTable("runs", ["id"], ["level", "first_wave", "last_wave", "hour"]),
    ChecksummedTable("merging", ["run"], ["target"]),
    ChecksummedTable("dropped", ["run"]),
)
"""The tables whose rows have their checksums in ``row_sums``."""

CHECKSUMS = "ALTER TABLE marks ADD COLUMN checksum INTEGER"

ADD_FINGERPRINTS = "INSERT INTO marks (run, marks, checksum) VALUES (?, ?, ?)"
FINGERPRINTS = "SELECT run, marks, checksum FROM marks ORDER BY run"
KEYS_AFTER = "SELECT key FROM keys WHERE run = ? AND key > ? ORDER BY key LIMIT ?"
FINGERPRINTS_OF = "SELECT marks FROM marks WHERE run = ?"

NEXT_RUN = """
SELECT 1 + max(
    (SELECT coalesce(max(run), 0) FROM keys),
    (SELECT coalesce(max(id), 0) FROM runs),
    (SELECT coalesce(max(run), 0) FROM dropped),
    (SELECT coalesce(max(target), 0) FROM merging)
)
"""
EXPIRE = """
INSERT INTO dropped SELECT id FROM runs WHERE hour < :before;
DELETE FROM marks WHERE run IN (SELECT id FROM runs WHERE hour < :before);
DELETE FROM runs WHERE hour < :before;
"""
ABANDON = """
INSERT INTO dropped SELECT DISTINCT target FROM merging;
DELETE FROM merging;
"""
DELETE = """
DELETE FROM keys WHERE run = ?1 AND key <= (
    SELECT max(key) FROM (SELECT key FROM keys WHERE run = ?1 ORDER BY key LIMIT ?2)
)
"""
RUNS = """
SELECT id, level, hour FROM runs ORDER BY level, hour, first_wave
"""
FINISH = """
INSERT INTO runs
SELECT :target, max(level) + 1, min(first_wave), max(last_wave), max(hour)
FROM runs WHERE id IN (SELECT run FROM merging);
INSERT INTO dropped SELECT run FROM merging;
DELETE FROM runs WHERE id IN (SELECT run FROM merging);
DELETE FROM marks WHERE run IN (SELECT run FROM merging);
DELETE FROM merging;
"""


class _Run(NamedTuple):
    id: int
    level: int
    hour: int


def step(connection: apsw.Connection, before: int, tuning: LogTuning) -> bool:
    """Merge some keys, or delete some keys of runs that are older than the hour ``before``.

    Returns whether there may be more to do.
    """
    merging = fetch(connection, "SELECT run, target FROM merging ORDER BY run")
    if merging:
        _merge_some_keys(connection, [run for run, _ in merging], merging[0][1], tuning.merge_keys)
        return True
    connection.execute(EXPIRE, {"before": before})
    dropped = connection.execute("SELECT run FROM dropped LIMIT 1").get
    if dropped is not None:
        connection.execute(DELETE, (dropped, tuning.merge_keys))
        if connection.changes() < tuning.merge_keys:
            connection.execute("DELETE FROM dropped WHERE run = ?", (dropped,))
        return True
    return _begin_merge(connection, tuning.merge_runs)


def abandon_merge(connection: apsw.Connection) -> None:
    """Drop the keys of an unfinished merge, whose runs stay. No fingerprints can verify them."""
    with connection:
        connection.execute(ABANDON)


def _begin_merge(connection: apsw.Connection, count: int) -> bool:
    runs = [_Run(*row) for row in fetch(connection, RUNS)]
    for start in range(len(runs) - count + 1):
        candidates = runs[start : start + count]
        first, last = candidates[0], candidates[-1]
        if first.level == last.level < LEVELS and first.hour == last.hour:
            target = connection.execute(NEXT_RUN).get
            for run in candidates:
                connection.execute("INSERT INTO merging VALUES (?, ?)", (run.id, target))
            return True
    return False


def _merge_some_keys(connection: apsw.Connection, runs: list[int], target: int, count: int) -> None:
    last = connection.execute("SELECT max(key) FROM keys WHERE run = ?", (target,)).get or b""
    connection.execute(_merge_statement(len(runs)), (target, last, count, *runs))
    if connection.changes() < count:
        fingerprints = fetch(
            connection, "SELECT marks FROM marks WHERE run IN (SELECT run FROM merging)"
        )
        connection.execute(FINISH, {"target": target})
        joined = b"".join(stored for (stored,) in fingerprints)
        connection.execute(ADD_FINGERPRINTS, (target, joined, checksum(joined, target)))


def read_fingerprints(connection: apsw.Connection) -> dict[int, bytes]:
    """Return the fingerprints of every run's keys. Raises apsw.CorruptError for damaged ones."""
    found = {}
    for run, fingerprints, stored in fetch(connection, FINGERPRINTS):
        if not isinstance(fingerprints, bytes) or stored not in {None, checksum(fingerprints, run)}:
            raise apsw.CorruptError(f"the fingerprints of run {run} are damaged")
        found[run] = fingerprints
    return found


def is_undamaged(connection: apsw.Connection, run: int, slice_keys: int) -> bool:
    """Return whether the keys of a run are intact, according to their fingerprints."""
    fingerprints = connection.execute(FINGERPRINTS_OF, (run,)).get
    if fingerprints is None:  # merged or deleted in the meantime
        return True
    expected = array("I", fingerprints)
    found = array("I")
    last = b""
    while keys := [key for (key,) in fetch(connection, KEYS_AFTER, (run, last, slice_keys))]:
        if not all(isinstance(key, bytes) for key in keys) or not last < keys[0] <= keys[-1]:
            return False  # out of order: the search would never end
        found.extend(map(fingerprint, keys))
        last = keys[-1]
    return set(found) == set(expected)


@cache
def _merge_statement(runs: int) -> str:
    selects = " UNION ".join(
        f"SELECT key FROM keys WHERE run = ?{number} AND key > ?2"  # noqa: S608 -- a parameter's number
        for number in range(4, 4 + runs)
    )
    return f"INSERT INTO keys SELECT ?1, key FROM ({selects} ORDER BY key LIMIT ?3)"  # noqa: S608 -- as above
