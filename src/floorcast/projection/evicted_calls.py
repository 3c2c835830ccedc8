"""Calls that have left a floor's memory, and how each of them counts at a service on a day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

from floorcast.floor.calls import Call, Key
from floorcast.floor.counted_calls import CallResult, CountedCall, counted
from floorcast.floor.floor import Floor
from floorcast.floor.state import decode_call, encode_call
from floorcast.model.token import position
from floorcast.store.call_days import CallDay
from floorcast.store.projection_store import ProjectionStore

__all__ = ["CallStore", "EvictedCalls", "reload_calls", "store_evicted_calls"]


class CallStore(Protocol):
    """The part of the store that this module reads. See ``ProjectionStore``."""

    def call_days(
        self, client: int, day: int, service: int, at_position: int
    ) -> Iterator[list[CallDay]]:
        """Yield the calls that count at a service on a day."""
        ...

    def find_calls(self, client: int, keys: Collection[Key], at_position: int) -> dict[Key, bytes]:
        """Return the newest version of each call."""
        ...


class EvictedCalls:
    """The calls no longer in memory that count at a service on a day, as of one position.

    The floor may fold more entries during an iteration. The iteration raises Unavailable.
    """

    def __init__(
        self, store: CallStore, client: int, day_service: tuple[int, int], reached: int
    ) -> None:
        self._store = store
        self._client = client
        self._day_service = day_service
        self._reached = reached
        self._rows = store.call_days(client, *day_service, reached)

    def __iter__(self) -> Iterator[list[tuple[Key, CountedCall]]]:
        """Yield a few calls per turn of the event loop, in no particular order."""
        for rows in self._rows:
            yield [
                (
                    (row.transaction, row.session),
                    CountedCall(
                        *self._day_service, row.offered, CallResult(row.result or 0), row.at
                    ),
                )
                for row in rows
            ]

    def find(self, keys: Collection[Key]) -> dict[Key, Call]:
        """Return the calls as they were at the position. Raises Unavailable."""
        found = self._store.find_calls(self._client, keys, self._reached)
        return {key: decode_call(body) for key, body in found.items()}


def store_evicted_calls(floor: Floor, store: ProjectionStore, entry: int) -> None:
    """Store the calls that are evicted from memory at the start of an entry."""
    evicted = floor.call_table.evicted
    client, reached = floor.state.client, position(entry, 0)
    versions = [
        (call.transaction, call.session, call.last_event, encode_call(call)) for call in evicted
    ]
    store.write_calls(client, reached, versions)
    store.write_call_days(client, reached, _rows(floor, evicted))
    evicted.clear()


def reload_calls(
    floor: Floor, store: ProjectionStore, keys: Collection[Key], entry: int, index: int
) -> None:
    """Load calls back into memory before the event at ``index`` of an entry. Raises Unavailable."""
    client = floor.state.client
    found = store.find_calls(client, keys, position(entry, 0))
    if not found:
        return
    calls = [decode_call(body) for body in found.values()]
    removed_days = [
        (day, service, row._replace(result=None)) for day, service, row in _rows(floor, calls)
    ]
    store.write_call_days(client, position(entry, index), removed_days)
    for call in calls:
        floor.call_table.reload(call)


def _rows(floor: Floor, calls: Iterable[Call]) -> Iterator[tuple[int, int, CallDay]]:
    segment_days, first_day = floor.segment_days, floor.ledger.first_day
    for call in calls:
        transaction, session = call.transaction, call.session
        for day, service, offered, result, at in counted(call, segment_days, first_day):
            yield day, service, CallDay(transaction, session, offered, int(result), at)
