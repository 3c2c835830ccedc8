"""Looks for damage in a data folder: checks every page and every row that has a checksum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw

from floorcast.kv import sqlite_kv
from floorcast.log import compaction, log_file, sorted_runs
from floorcast.log import schema as log_schema
from floorcast.sqlite import derived_files
from floorcast.sqlite.checksums import ChecksummedTable, add_checksum_function, damaged_rows
from floorcast.sqlite.derived_files import Layout, creation_statements
from floorcast.sqlite.files import Schema, fetch, open_reader
from floorcast.store import call_days, projection_store, snapshots, stored_calls, stored_segments

__all__ = ["FileDamage", "damaged_files", "database_names"]

CACHE_KIB = 4096
MAX_MESSAGES = 20  # the most messages from SQLite for each file
SCHEMA_OF_FILE = "SELECT type, name, tbl_name, sql FROM sqlite_schema"
KEYS_PER_READ = 16_384

Check = Callable[[apsw.Connection], Iterator[str]]


class FileDamage(NamedTuple):
    """Damage: a part of a file that is no longer as it was written."""

    file: str
    what: str


class _ExpectedFile(NamedTuple):
    """The expected form of a file.

    ``steps`` are the statements that create its schema, and ``checks`` find other damage. The
    file's ``user_version`` does not count the first ``unnumbered_steps``.
    """

    application_id: int
    steps: Sequence[str]
    unnumbered_steps: int
    checks: Sequence[Check]


def database_names(folder: Path) -> list[str]:
    """Return the names of the folder's databases."""
    return [name for name in EXPECTED_FILES if (folder / name).exists()]


def damaged_files(
    folder: Path, on_checked: Callable[[int], None] = lambda _: None
) -> Iterator[FileDamage]:
    """Yield all damage in the folder's databases, except damage in the log's entries.

    A server may be running meanwhile. ``on_checked`` receives the number of databases checked so
    far.
    """
    for count, name in enumerate(database_names(folder), 1):
        try:
            with closing(open_reader(folder / name, cache_kib=CACHE_KIB)) as reader:
                for check in (_page_damage, *_checks(reader, EXPECTED_FILES[name])):
                    yield from _findings(name, check, reader)
        except (apsw.Error, UnicodeDecodeError) as error:
            yield FileDamage(name, str(error))
        on_checked(count)


def _findings(name: str, check: Check, reader: apsw.Connection) -> Iterator[FileDamage]:
    try:
        for what in check(reader):
            yield FileDamage(name, what)
    except (apsw.Error, UnicodeDecodeError) as error:
        yield FileDamage(name, str(error))


def _page_damage(reader: apsw.Connection) -> Iterator[str]:
    for (message,) in fetch(reader, f"PRAGMA integrity_check({MAX_MESSAGES})"):
        if message != "ok":
            yield message


def _checks(reader: apsw.Connection, expected: _ExpectedFile) -> Iterator[Check]:
    """Yield the checks for a file.

    A file of an older release gets only the check of its schema, because its small rows have no
    checksums yet.
    """
    applied = expected.unnumbered_steps + reader.pragma("user_version")

    def schema(connection: apsw.Connection) -> Iterator[str]:
        if connection.pragma("application_id") != expected.application_id:
            yield "its application_id is not floorcast's"
        if applied > len(expected.steps):
            yield f"its schema is {applied - expected.unnumbered_steps}, of a newer release"
        elif _schema_of(connection) != _expected(expected.steps[:applied]):
            yield "its schema is not floorcast's"

    yield schema
    if applied == len(expected.steps):
        yield from expected.checks


def _expected(steps: Sequence[str]) -> set[tuple[str, ...]]:
    with closing(apsw.Connection(":memory:")) as connection:
        add_checksum_function(connection)
        for step in steps:
            connection.execute(step)
        return _schema_of(connection)


def _schema_of(connection: apsw.Connection) -> set[tuple[str, ...]]:
    """Return the schema. Other releases may have laid out the same statements differently."""
    rows = fetch(connection, SCHEMA_OF_FILE)
    return {(*names, " ".join((sql or "").split())) for *names, sql in rows}


def _row_check(tables: Sequence[ChecksummedTable]) -> Check:
    def check(connection: apsw.Connection) -> Iterator[str]:
        for table in tables:
            for key in damaged_rows(connection, table):
                yield f"row {key} of {table.table}"

    return check


def _key_run_damage(connection: apsw.Connection) -> Iterator[str]:
    for run in compaction.read_fingerprints(connection):
        if not compaction.is_undamaged(connection, run, KEYS_PER_READ):
            yield f"the keys of run {run}"


def _with_schema(schema: Schema, *checks: Check) -> _ExpectedFile:
    return _ExpectedFile(schema.application_id, schema.steps, 0, checks)


def _derived_file(layout: Layout, *checks: Check) -> _ExpectedFile:
    return _ExpectedFile(0, (creation_statements(layout), *layout.steps), 1, checks)


_KV = _with_schema(sqlite_kv.SCHEMA, _row_check(sqlite_kv.CHECKSUMMED_TABLES))
EXPECTED_FILES = {
    "log.db": _with_schema(log_file.SCHEMA, _row_check(log_schema.CHECKSUMMED_TABLES)),
    "admin.db": _KV,
    "shared.db": _KV,
    "mirror.db": _derived_file(
        projection_store.LAYOUT,
        _row_check([*derived_files.CHECKSUMMED_TABLES, *projection_store.CHECKSUMMED_TABLES]),
        stored_segments.damaged,
        stored_calls.damaged,
        call_days.damaged,
        snapshots.damaged,
    ),
    "keys.db": _derived_file(
        sorted_runs.LAYOUT,
        _row_check([*derived_files.CHECKSUMMED_TABLES, *compaction.CHECKSUMMED_TABLES]),
        _key_run_damage,
    ),
}
