"""Snapshots that are superseded, because their release computed figures by other rules.

The client's floor is folded again from one of them that is older than the client's present day, so
the new rules apply to the whole day. It must not be much older, because retention continues to
remove entries from the log while they are folded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import apsw
import structlog

from floorcast.floor.state import SNAPSHOT_VERSION
from floorcast.model.errors import Unavailable
from floorcast.model.token import TICKS_PER_SECOND, end_of_entry
from floorcast.sqlite.files import fetch
from floorcast.store import call_days, snapshots, stored_calls

__all__ = ["LONGEST_DAY", "LogBounds", "discard_superseded", "superseded_clients"]

LONGEST_DAY = 25 * 3600 * TICKS_PER_SECOND  # when the clocks go back
NEWEST = "SELECT client, version, max(entry) FROM snapshots GROUP BY client"
ENTRIES = "SELECT entry FROM snapshots WHERE client = ? AND entry >= ? ORDER BY entry"
DISCARD = "DELETE FROM snapshots WHERE client = ? AND entry IS NOT ?"

_log = structlog.get_logger(__name__)


class LogBounds(NamedTuple):
    """A client's log.

    ``removed`` is the last entry that retention has removed, and ``before_today`` the last entry
    that is older than ``LONGEST_DAY``. They are 0 if there is none.
    """

    removed: int
    before_today: int


def superseded_clients(connection: apsw.Connection) -> list[int]:
    """Return the clients whose newest snapshot is superseded. Raises apsw.Error."""
    return [
        client
        for client, version, _entry in fetch(connection, NEWEST)
        if version < SNAPSHOT_VERSION
    ]


def discard_superseded(connection: apsw.Connection, logs: Mapping[int, LogBounds]) -> None:
    """Discard these clients' snapshots, except those from which their floors are folded again.

    Calls that left memory after it are deleted, too, because the fold stores them again. Runs in
    the writer's transaction. Raises apsw.Error.
    """
    for client, bounds in logs.items():
        try:
            base = _base(connection, client, bounds)
        except Unavailable as error:
            raise apsw.IOError(str(error)) from error
        after = bounds.removed if base is None else base
        connection.execute(DISCARD, (client, base))
        stored_calls.delete_after(connection, client, end_of_entry(after))
        call_days.delete_after(connection, client, end_of_entry(after))
        _log.info("snapshots_superseded", client=client, folded_again_after=after)


def _base(connection: apsw.Connection, client: int, bounds: LogBounds) -> int | None:
    """Return the entry of the newest usable snapshot before the present day, or else the oldest.

    Return None if the log has everything that the floor has, or if no snapshot is usable.
    """
    if not any(bounds):
        return None
    entries: list[int] = [
        entry for (entry,) in fetch(connection, ENTRIES, (client, bounds.removed))
    ]
    older = [entry for entry in entries if entry <= bounds.before_today]
    for entry in [*reversed(older), *entries[len(older) :]]:
        for found in snapshots.undamaged(connection, client, entry, entry):
            if snapshots.state_of(client, found) is not None:
                return entry
    return None
