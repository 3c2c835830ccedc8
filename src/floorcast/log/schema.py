"""The schema of ``log.db``."""

from __future__ import annotations

__all__ = ["CHECKSUMS_SINCE", "STEPS"]

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
)
"""The schema of ``log.db``, one step per change. A released step never changes.

An entry without a ``checksum`` was written by a release that had none. ``skipped`` holds the ids
of damaged entries that the operator has decided to do without; ``probes`` is written to see
whether the disk is well.
"""

CHECKSUMS_SINCE = 4  # the schema version from which on entries have checksums
