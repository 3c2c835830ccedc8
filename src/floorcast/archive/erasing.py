"""Removes a person from the archive by rewriting the affected files and manifests.

If personal data was dropped, there is nothing to remove. If it was hashed, the person's hashes are
removed. Masked values do not identify a person, so they are removed only from the person's calls
that are known in another way.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from floorcast.archive.call_rows import Row
from floorcast.archive.manifests import (
    HOUR_MANIFEST,
    Erasure,
    HourManifest,
    describe_file,
    encode_manifest,
)
from floorcast.archive.personal import keyed_hash
from floorcast.archive.storage import Archive
from floorcast.archive.tables import parquet_bytes, read_parquet
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import ALERT_SOURCE
from floorcast.model.person import CallKey, Person, call_key, erase_values

__all__ = ["calls_in_archive", "erase_from_archive", "has_hashes", "with_hashes"]

PERSONAL = ("phone", "account", "firstName", "lastName")
PERSONAL_FILES = ("events", "calls")  # the other files have no personal data


def has_hashes(archive: Archive, client: int) -> bool:
    """Return whether any of the client's hours has hashed personal data. Raises Unavailable."""
    return any(manifest.personal == "hash" for manifest in _hours(archive, client))


def with_hashes(person: Person, key: bytes) -> Person:
    """Return the person with the hashes of their values, which an archive may contain."""
    hashes = (keyed_hash(value, key) for value in (*person.phones, *person.accounts))
    return person._replace(accounts=(*person.accounts, *hashes))


def calls_in_archive(archive: Archive, client: int, person: Person) -> set[CallKey]:
    """Return the calls in which one of the person's values appears. Raises Unavailable."""
    found: set[CallKey] = set()
    for manifest in _hours(archive, client):
        for name in PERSONAL_FILES:
            for row in _rows(archive, manifest, name):
                key = _key(row)
                if key is not None and key not in found and _belongs_to(row, person):
                    found.add(key)
    return found


def erase_from_archive(
    archive: Archive,
    client: int,
    person: Person,
    calls: set[CallKey],
    now: str,
    *,
    dry_run: bool,
) -> int:
    """Remove the person's data from all hours. Returns the number of changed rows.

    ``now`` (ISO 8601) is the time that is recorded in the manifests. Raises Unavailable.
    """
    total = 0
    for manifest in _hours(archive, client):
        changed = dict.fromkeys(PERSONAL_FILES, 0)
        for name in PERSONAL_FILES:
            rows = _rows(archive, manifest, name)
            for row in rows:
                if _key(row) in calls or _belongs_to(row, person):
                    changed[name] += _erase(row, person)
            if changed[name] and not dry_run:
                content, count = parquet_bytes(name, rows)
                archive.write(f"{manifest.path}/{name}.parquet", content)
                manifest.files[name] = describe_file(content, count)
        total += sum(changed.values())
        if any(changed.values()) and not dry_run:
            manifest.erased.append(Erasure(now, {n: c for n, c in changed.items() if c}))
            archive.write(f"{manifest.path}/{HOUR_MANIFEST}", encode_manifest(manifest))
    return total


def _hours(archive: Archive, client: int) -> Iterator[HourManifest]:
    for date in archive.dates(client):
        for manifest in archive.hours(client, date):
            if manifest.personal != "drop":
                yield manifest


def _rows(archive: Archive, manifest: HourManifest, name: str) -> list[Row]:
    path = f"{manifest.path}/{name}.parquet"
    content = archive.read(path)
    if content is None:
        raise Unavailable(f"{path} is missing; run 'floorcast archive verify'")
    rows: list[Row] = read_parquet(content).to_pylist()
    return rows


def _key(row: Row) -> CallKey | None:
    return call_key(row)


def _belongs_to(row: Row, person: Person) -> bool:
    if "data" in row:
        if row["data"] is None or row["source"] == ALERT_SOURCE:
            return False  # an alert's figures or ids may equal an account by chance
        return person.appears_in(msgspec.json.decode(row["data"]))
    return person.owns(row["phone"]) or person.owns(row["account"])


def _erase(row: Row, person: Person) -> bool:
    """Remove the person's data from a row. Returns whether the row changed."""
    if "data" in row:
        if row["data"] is None:
            return False
        data = msgspec.json.decode(row["data"])
        changed = msgspec.json.encode(erase_values(data, person)).decode()
        if changed == msgspec.json.encode(data).decode():
            return False
        row["data"] = changed
        return True
    known = [name for name in PERSONAL if row[name] is not None]
    row.update(dict.fromkeys(known))
    return bool(known)
