"""Removes a person from the calls, feeds and snapshots in a stopped server's ``mirror.db``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import apsw

from floorcast.model.errors import Unavailable
from floorcast.sqlite.files import connect, transaction
from floorcast.store import snapshots, stored_calls, stored_segments

__all__ = ["Changes", "RewriteCounts", "rewrite_store", "stored_bodies"]

PAGE_BYTES = 8192
CACHE_KIB = 8192

CALL_BODIES = "SELECT body FROM calls WHERE client = ?"


class Changes(NamedTuple):
    """The changes to make. Each function returns None for an item that does not change.

    ``call`` takes the stored form of a call. ``event`` takes the name of a feed and one of its
    events as JSON. ``snapshot`` takes the blob of a snapshot.
    """

    call: Callable[[bytes], bytes | None]
    event: Callable[[str, bytes], bytes | None]
    snapshot: Callable[[bytes], bytes | None]


class RewriteCounts(NamedTuple):
    """The numbers of changed calls, published events and snapshots."""

    calls: int
    events: int
    snapshots: int


def stored_bodies(path: Path, client: int) -> Iterator[tuple[str, bytes]]:
    """Yield a client's stored calls as ``call``, and then its snapshots as ``snapshot``.

    Raises Unavailable.
    """
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error as error:
        raise Unavailable(f"{path} cannot be read: {error}") from error
    try:
        for (body,) in connection.execute(CALL_BODIES, (client,)):
            yield "call", body
        for snapshot in snapshots.undamaged(connection, client, 1 << 62):
            yield "snapshot", bytes(snapshot.blob)
    except apsw.Error as error:
        raise Unavailable(f"{path} cannot be read: {error}") from error
    finally:
        connection.close()


def rewrite_store(path: Path, client: int, changes: Changes, *, dry_run: bool) -> RewriteCounts:
    """Change a client's calls, events and snapshots in one transaction. Raises Unavailable."""
    try:
        connection = connect(path, page_size=PAGE_BYTES, synchronous="FULL", cache_kib=CACHE_KIB)
        connection.pragma("secure_delete", 1)
        with transaction(connection):
            found = RewriteCounts(
                stored_calls.rewrite(connection, client, changes.call, dry_run=dry_run),
                stored_segments.rewrite(connection, client, changes.event, dry_run=dry_run),
                snapshots.rewrite(connection, client, changes.snapshot, dry_run=dry_run),
            )
        connection.close()
    except (apsw.Error, OSError) as error:
        raise Unavailable(f"{path} cannot be rewritten: {error}") from error
    return found
