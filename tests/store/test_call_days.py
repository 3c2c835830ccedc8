"""Tests of the store's index of calls by day and service."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.model.errors import Unavailable
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.store import call_days
from floorcast.store.call_days import CallDay, damaged, trim
from floorcast.store.projection_store import ProjectionStore
from tests.log.batches import Clock
from tests.search import tries

ACME, OTHER = 47415, 8
DAY = 739_943


def opened(path: Path | None) -> ProjectionStore:
    """Return a store for the log."""
    return ProjectionStore(path, Clock(), identity="log", heads={ACME: 10**6, OTHER: 10**6})


def row(number: int, result: int | None = 1, at: int | None = 5) -> CallDay:
    """Return a row that says how call ``number`` counts."""
    return CallDay(number, f"S{number}", 1, result, at)


def listed(store: ProjectionStore, through: int, service: int = 1) -> dict[int, int | None]:
    """Return the results of the calls at a service, by the calls' numbers."""
    found: dict[int, int | None] = {}
    for rows in store.call_days(ACME, DAY, service, through):
        for one in rows:
            assert one.transaction not in found
            found[one.transaction] = one.result
    return found


WRITES = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 2), st.sampled_from([None, 0, 1, 4])), max_size=25
)


@settings(max_examples=tries(40))
@given(WRITES, st.integers(0, 30), st.integers(1, 3))
def test_the_newest_version_at_a_position_counts(
    writes: list[tuple[int, int, int | None]], through: int, page: int
) -> None:
    """Versions after the position are ignored, and the newest one decides whether a call counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(call_days, "READ_ROWS", page)
        store = opened(None)
        known: dict[int, dict[int, int | None]] = defaultdict(dict)
        for position, (number, service, result) in enumerate(writes, 1):
            store.write_call_days(ACME, position, [(DAY, service, row(number, result))])
            store.write_call_days(OTHER, position, [(DAY, service, row(number))])
            store.write_call_days(ACME, position, [(DAY + 1, service, row(number))])
            if position <= through:
                known[service][number] = result
        for service in (1, 2):
            wanted = {n: result for n, result in known[service].items() if result is not None}
            assert listed(store, through, service) == wanted


def test_at_one_position_eviction_comes_before_reloading() -> None:
    """A call can leave at the start of an entry and return with the entry's first event."""
    store = opened(None)
    for result in (1, None):
        store.write_call_days(ACME, 5, [(DAY, 1, row(1, result))])
    assert listed(store, 5) == {}
    assert listed(store, 4) == {}


def test_pending_rows_are_read(tmp_path: Path) -> None:
    """Rows are visible before, during and after the write, and after a restart."""
    store = opened(tmp_path / "mirror.db")
    store.write_call_days(ACME, 1, [(DAY, 1, row(number)) for number in range(1000)])
    reading = store.call_days(ACME, DAY, 1, 9)
    first = next(reading)
    store.write_call_days(ACME, 10, [(DAY, 1, row(7, None))])
    store.write_call_days(ACME, 11, [(DAY, 1, row(8, None))])
    found = [one.transaction for rows in (first, *reading) for one in rows]
    assert sorted(found) == list(range(1000))
    assert sorted(listed(store, 10)) == [n for n in range(1000) if n != 7]
    asyncio.run(store.close())
    again = opened(tmp_path / "mirror.db")
    assert sorted(listed(again, 11)) == [n for n in range(1000) if n not in (7, 8)]
    asyncio.run(again.close())


def test_a_damaged_row_is_reported_and_not_counted(tmp_path: Path) -> None:
    """The read fails, the client's data is rebuilt, and ``verify --disk`` names the row."""
    path = tmp_path / "mirror.db"
    store = opened(path)
    store.write_call_days(ACME, 1, [(DAY, 1, row(1)), (DAY, 1, row(2))])
    asyncio.run(store.close())
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("UPDATE call_days SET result = 4 WHERE transaction_id = 2")
        assert list(damaged(connection)) == [f"call 2 of day {DAY} of the calls by day"]
    again = opened(path)
    reported: list[int] = []
    again.on_damage = reported.append
    with pytest.raises(Unavailable):
        listed(again, 9)
    assert reported == [ACME]
    asyncio.run(again.delete_client(ACME))
    again.mark_rebuilt(ACME)
    assert listed(again, 9) == {}
    asyncio.run(again.close())


def test_a_read_fails_if_its_rows_are_deleted_meanwhile() -> None:
    """The read fails, because otherwise a list would be shorter than its figure."""
    store = opened(None)
    store.write_call_days(ACME, 1, [(DAY, 1, row(1))])
    reading = store.call_days(ACME, DAY, 1, 9)
    asyncio.run(store.delete_client(ACME))
    with pytest.raises(Unavailable, match="being rebuilt"):
        list(reading)


def test_days_that_have_ended_in_all_time_zones_are_deleted(tmp_path: Path) -> None:
    """Rows are deleted in small batches, once their day is over in every time zone."""
    path = tmp_path / "mirror.db"
    store = opened(path)
    asyncio.run(store.close())
    days = {DAY - 3: 600, DAY - 2: 1, DAY - 1: 1, DAY: 1}
    store = opened(path)
    rows = [(day, 1, row(n)) for day, count in days.items() for n in range(count)]
    store.write_call_days(ACME, 1, rows)
    asyncio.run(store.close())
    noon = ((DAY - 719_163) * 86_400 + 43_200) * TICKS_PER_SECOND
    with closing(apsw.Connection(str(path))) as connection:
        assert trim(connection, noon)
        assert not trim(connection, noon)
        left = {day for (day,) in connection.execute("SELECT DISTINCT day FROM call_days")}
    assert left == {DAY - 1, DAY}
