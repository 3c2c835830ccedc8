"""Tests that clients' stored data is rebuilt, even after crashes and upgrades."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from floorcast.store import call_days, projection_store, rebuilding
from floorcast.store.call_days import CallDay
from floorcast.store.projection_store import ProjectionStore
from tests.log.batches import Clock

ACME, OTHER = 47415, 8


def opened(path: Path) -> ProjectionStore:
    """Return a store for the log."""
    return ProjectionStore(path, Clock(), identity="log", heads={ACME: 10**6, OTHER: 10**6})


def test_a_file_of_an_earlier_release_is_filled_from_the_log(tmp_path: Path) -> None:
    """At the first start, clients with calls in the file are rebuilt until all data is stored."""
    path, layout = tmp_path / "mirror.db", projection_store.LAYOUT
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection_store, "LAYOUT", layout._replace(steps=layout.steps[:2]))
        patch.setattr(rebuilding, "incomplete", lambda _: [])
        patch.setattr(call_days, "trim", lambda *_: False)
        old = opened(path)
        old.write_calls(ACME, 1, [(1, "S1", 5, b"call")])
        asyncio.run(old.close())
    store = opened(path)
    assert store.rebuilding == {ACME}
    asyncio.run(store.delete_client(ACME))
    store.mark_rebuilt(ACME)
    asyncio.run(store.close())
    again = opened(path)
    assert again.rebuilding == set()
    asyncio.run(again.close())


def test_an_interrupted_rebuild_is_repeated(tmp_path: Path) -> None:
    """After a crash, the part that had been rebuilt does not count as complete."""
    path = tmp_path / "mirror.db"
    store = opened(path)
    for client in (ACME, OTHER):
        store.write_call_days(client, 1, [(739_943, 1, CallDay(1, "S1", 1, 1, 1))])
    asyncio.run(store.delete_client(ACME))
    store.write_call_days(ACME, 1, [(739_943, 1, CallDay(1, "S1", 1, 1, 1))])
    asyncio.run(store.close())
    again = opened(path)
    assert again.rebuilding == {ACME}
    asyncio.run(again.delete_client(ACME))
    again.mark_rebuilt(ACME)
    assert again.rebuilding == set()
    asyncio.run(again.close())
    last = opened(path)
    assert last.rebuilding == set()
    asyncio.run(last.close())
