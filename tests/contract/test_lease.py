"""The contract of leases, with every adapter of the key-value store."""

from __future__ import annotations

import asyncio

import pytest

from floorcast.kv.lease import Lease, LeaseTuning
from floorcast.kv.port import Conflict, Item, KeyValueStore
from floorcast.model.cancellation import cancel_all
from tests.contract.test_key_value_store import Store, open_kv

__all__ = ["open_kv"]  # the fixture, which creates every kind of store

QUICK = LeaseTuning(ttl=10, margin=1, renewal=0.01)


def test_the_next_holder_starts_when_the_first_releases_the_lease(open_kv: Store) -> None:
    """Only one of two holders works at a time, and the first holder's fence is no longer valid."""
    kv = open_kv()
    open_kv.run(_handed_over(kv))


async def _handed_over(kv: KeyValueStore) -> None:
    first, second = Lease(kv, "work", tuning=QUICK), Lease(kv, "work", tuning=QUICK)
    working = {first: asyncio.Event(), second: asyncio.Event()}

    async def work(lease: Lease) -> None:
        working[lease].set()
        await asyncio.Event().wait()

    one = asyncio.create_task(first.run(lambda: work(first)))
    await working[first].wait()
    other = asyncio.create_task(second.run(lambda: work(second)))
    fence = first.fence
    await kv.write([Item("work", "done", b"1")], [fence])
    assert not working[second].is_set()
    await cancel_all([one])
    assert not first.held
    await working[second].wait()
    assert second.held
    with pytest.raises(Conflict):
        await kv.write([Item("work", "done", b"2")], [fence])
    await cancel_all([other])
