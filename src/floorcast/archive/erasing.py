"""Removes a person from the archive by rewriting the affected files and manifests.

If personal data was dropped, a member that is not meant for it can still contain a person's value,
such as an agent's line number. If it was hashed, the person's hashes are removed. Masked values do
not identify a person, so they are removed only from the person's calls that are known in another
way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from floorcast.archive.call_rows import Row
from floorcast.archive.manifests import (
    HOUR_MANIFEST,
    Erasure,
    HourManifest,
    describe_file,
    encode_manifest,
)
from floorcast.archive.personal import keyed_hash, keyed_hashes
from floorcast.archive.storage import Archive
from floorcast.archive.tables import parquet_bytes, read_parquet
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import ALERT_SOURCE, milliseconds
from floorcast.model.person import CallKey, Person, PersonCalls, erase_values, notations

__all__ = ["erase_from_archive", "find_calls", "has_hashes", "with_hashes"]

PERSONAL = ("phone", "account", "firstName", "lastName")
TEXT = "lvResult"  # of a call; a source can send any text
PERSONAL_FILES = ("events", "calls")  # the other files have no personal data


def has_hashes(archive: Archive, client: int) -> bool:
    """Return whether any of the client's hours has hashed personal data. Raises Unavailable."""
    return any(manifest.personal == "hash" for manifest in _hours(archive, client))


def with_hashes(person: Person, key: bytes) -> Person:
    """Return the person with the hashes of their values, which an archive may contain.

    A hash does not show the last digits of its number, so each number is hashed in every notation,
    such as with and without a country code. That takes a few seconds.
    """
    numbers = (number for phone in person.phones for number in notations(phone))
    accounts = (keyed_hash(account, key) for account in person.accounts)
    return person._replace(hashes=frozenset(chain(accounts, keyed_hashes(numbers, key))))


def find_calls(
    archive: Archive,
    client: int,
    person: Person,
    calls: PersonCalls,
    on_day: Callable[[int], None] = lambda _: None,
) -> None:
    """Add the calls in which one of the person's values appears. Raises Unavailable.

    ``on_day`` receives the number of days that are done.
    """
    for manifest in _hours(archive, client, on_day):
        for name in PERSONAL_FILES:
            for row in _rows(archive, manifest, name, person):
                key = _key(row)
                if key is not None and _names(row, person):
                    calls.add(key, *_times(row))


def erase_from_archive(
    archive: Archive,
    client: int,
    person: Person,
    calls: PersonCalls,
    now: str,
    on_day: Callable[[int], None] = lambda _: None,
    *,
    dry_run: bool,
) -> int:
    """Remove the person's data from all hours. Returns the number of changed rows.

    ``now`` (ISO 8601) is the time that is recorded in the manifests. ``on_day`` receives the number
    of days that are done. Raises Unavailable.
    """
    named = []

    def erase_hour(manifest: HourManifest, *, naming: bool) -> int:
        changed: dict[str, int] = {}
        contents: dict[str, bytes] = {}
        for name in PERSONAL_FILES:
            rows = _rows(archive, manifest, name, person)
            if not naming and any(_names(row, person) for row in rows):
                named.append(manifest.path)
            theirs = _rows_of(rows, person, calls, naming=naming)
            count = sum([_erase(row, person) for row in theirs])
            if count:
                changed[name] = count
                contents[name], number = parquet_bytes(name, rows)
                manifest.files[name] = describe_file(contents[name], number)
        if changed and not dry_run:
            _record(manifest, now, changed)
            _write(archive, manifest, contents)
        return sum(changed.values())

    # The rows that name the person are erased last. Until then, they identify the calls, so that
    # the command can be repeated if it fails halfway.
    total = sum(erase_hour(manifest, naming=False) for manifest in _hours(archive, client, on_day))
    for path in dict.fromkeys(named):
        manifest = archive.manifest(path)
        total += 0 if manifest is None else erase_hour(manifest, naming=True)
    return total


def _rows_of(rows: list[Row], person: Person, calls: PersonCalls, *, naming: bool) -> Iterator[Row]:
    """Yield the person's rows, either those that name the person or the others of their calls."""
    for row in rows:
        key, times = _key(row), _times(row)
        if _names(row, person) == naming and (naming or calls.has(key, *times)):
            if key is not None:
                calls.add(key, *times)
            yield row


def _record(manifest: HourManifest, now: str, changed: dict[str, int]) -> None:
    erased = manifest.erased
    if erased and erased[-1].time == now:
        changed = dict(Counter(erased.pop().rows) + Counter(changed))
    erased.append(Erasure(now, changed))


def _write(archive: Archive, manifest: HourManifest, contents: dict[str, bytes]) -> None:
    """Write an hour, the manifest first.

    If a file cannot be written, it differs from its manifest until the command is repeated. If the
    manifest came last, the repeated command would find nothing to change, and it would stay wrong.
    """
    archive.write(f"{manifest.path}/{HOUR_MANIFEST}", encode_manifest(manifest))
    for name, content in contents.items():
        archive.write(f"{manifest.path}/{name}.parquet", content)


def _hours(
    archive: Archive, client: int, on_day: Callable[[int], None] = lambda _: None
) -> Iterator[HourManifest]:
    for count, date in enumerate(archive.dates(client), 1):
        yield from archive.hours(client, date)
        on_day(count)


def _rows(archive: Archive, manifest: HourManifest, name: str, person: Person) -> list[Row]:
    """Return a file's rows, or none if nothing in the file can be the person's."""
    path = f"{manifest.path}/{name}.parquet"
    content = archive.read(path)
    if content is None:
        raise Unavailable(f"{path} is missing; run 'floorcast archive verify'")
    table = read_parquet(content)
    if manifest.personal == "drop" and not _may_name(table, person):
        return []
    rows: list[Row] = table.to_pylist()
    return rows


def _may_name(table: pa.Table, person: Person) -> bool:
    """Return whether a row may contain one of the person's values.

    This is much faster than to decode the rows, and most archives have years without the person.
    """
    text = table["data"] if "data" in table.column_names else table[TEXT]
    matches = pc.match_substring_regex(text, person.json_pattern())
    return bool(pc.any(matches).as_py())


def _key(row: Row) -> CallKey | None:
    transaction, session = row["transactionId"], row["sessionId"]
    return None if transaction is None or session is None else (int(transaction), session)


def _times(row: Row) -> tuple[int, int]:
    """Return when the row's call began and ended, or when its event was recorded, in ms."""
    if "data" in row:
        recorded = milliseconds(row["recordedAt"])
        return recorded, recorded
    end = row["expired"] if row["ended"] is None else row["ended"]
    begin = min(row[name] or end for name in ("started", "joined", "answered"))
    return milliseconds(begin), milliseconds(end)


def _names(row: Row, person: Person) -> bool:
    """Return whether one of the person's values appears in the row."""
    if "data" in row:
        if row["data"] is None or row["source"] == ALERT_SOURCE:
            return False  # an alert's figures or ids may equal an account by chance
        return person.appears_in(msgspec.json.decode(row["data"]))
    return any(person.owns(row[name]) for name in ("phone", "account", TEXT))


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
    known += [TEXT] if person.owns(row[TEXT]) else []
    row.update(dict.fromkeys(known))
    return bool(known)
