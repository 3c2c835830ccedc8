"""The schema of ``log.db``."""

from __future__ import annotations

from floorcast.sqlite.checksums import ROW_SUMS, ChecksummedTable, checksum_schema

__all__ = ["CHECKSUMMED_TABLES", "CHECKSUMS_SINCE", "RESTORED_SINCE", "STEPS"]

CHECKSUMMED_TABLES = (
    ChecksummedTable("origin", ["rowid"], ["identity"]),
    ChecksummedTable(
        "streams",
        ["ordinal"],
        ["client", "removed", "removed_taken", "site_number", "site_taken", "site"],
    ),
    ChecksummedTable("following", ["stream"], ["seq", "taken", "digest"], inline=True),
    ChecksummedTable("following", ["stream"], ["clients", "generation"]),
    ChecksummedTable("skipped", ["id"]),
)
"""The tables whose rows have their checksums in ``row_sums``."""

STEPS = (
    """
CREATE TABLE origin (identity TEXT NOT NULL);
CREATE TABLE streams (
    ordinal INTEGER PRIMARY KEY,
    client INTEGER NOT NULL UNIQUE,
    removed INTEGER NOT NULL DEFAULT 0,
    removed_taken INTEGER NOT NULL DEFAULT 0,
    site_number INTEGER,
    site_taken INTEGER,
    site BLOB
);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    taken INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    count INTEGER NOT NULL,
    payload BLOB NOT NULL
);
""",
    """
CREATE INDEX site_entries ON entries (id) WHERE kind = 1;
CREATE TABLE following (
    stream TEXT PRIMARY KEY,
    clients TEXT NOT NULL,
    seq INTEGER NOT NULL
);
""",
    """
ALTER TABLE following ADD COLUMN taken INTEGER NOT NULL DEFAULT 0;
ALTER TABLE following ADD COLUMN digest BLOB NOT NULL DEFAULT x'';
ALTER TABLE following ADD COLUMN generation TEXT NOT NULL DEFAULT '';
""",
    """
ALTER TABLE entries ADD COLUMN checksum INTEGER;
CREATE TABLE skipped (id INTEGER PRIMARY KEY);
CREATE TABLE probes (count INTEGER NOT NULL);
INSERT INTO probes VALUES (0);
""",
    ROW_SUMS
    + checksum_schema(*CHECKSUMMED_TABLES)
    + """
CREATE TABLE restored (
    id INTEGER PRIMARY KEY,
    taken INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    count INTEGER NOT NULL,
    payload BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
""",
)
"""The schema of ``log.db``, one step per change. A released step never changes.

An entry without a ``checksum`` was written by a release without checksums. ``skipped`` lists the
ids of damaged entries that the operator has skipped. ``probes`` is written to test the disk.
``restored`` contains intact copies of damaged entries, because the entries' own pages may be
unusable.
"""

CHECKSUMS_SINCE = 4  # the first schema version in which entries have checksums
RESTORED_SINCE = 5  # the first schema version with the table of restored entries
