"""Tests that a lease has one holder, and that another process takes over from a dead holder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from floorcast.kv.lease import Lease, LeaseTuning
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.kv.port import Conflict, Item
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import Unavailable
from tests.virtual_time import VirtualLoop, run


class Link(MemoryKeyValueStore):
    """One process's connection to a shared store. When it is ``cut``, writes fail."""

    def __init__(self, shared: MemoryKeyValueStore) -> None:
        super().__init__()
        self.shared = shared
        self.cut = False

    def get(self, bucket: str, key: str) -> bytes | None:
        return self.shared.get(bucket, key)

    async def write(self, items: Iterable[Item], expected: Iterable[Item] = ()) -> None:
        if self.cut:
            raise Unavailable("cut off")
        await self.shared.write(items, expected)


class LeaseUser:
    """A process that works while it holds the lease, and records the times at which it works."""

    def __init__(self, kv: MemoryKeyValueStore, loop: VirtualLoop, holder: str = "") -> None:
        self.link = Link(kv)
        self.lease = Lease(self.link, "work", holder, clock=lambda: loop.elapsed)
        self.begun: list[float] = []
        self.ended: list[float] = []
        self._loop = loop
        self.task = asyncio.create_task(self.lease.run(self.work))

    async def work(self) -> None:
        self.begun.append(self._loop.elapsed)
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append(self._loop.elapsed)


def test_standby_takes_over_within_30_seconds_of_the_holder_dying() -> None:
    """Only one process works.

    When its renewals fail, it stops, and the other starts within 30 s.
    """

    async def scenario(loop: VirtualLoop) -> None:
        kv = MemoryKeyValueStore()
        first = LeaseUser(kv, loop)
        await loop.passing(0.5)
        second = LeaseUser(kv, loop)
        await loop.passing(100)
        assert (len(first.begun), len(second.begun)) == (1, 0)
        first.link.cut = True
        died = loop.elapsed
        await loop.passing(40)
        assert len(second.begun) == 1
        assert second.begun[0] - died <= 30
        assert first.ended
        assert first.ended[0] <= second.begun[0]
        assert not first.lease.held
        await cancel_all([first.task, second.task])

    run(scenario)


def test_stopped_holder_releases_the_lease() -> None:
    """A holder that stops releases the lease, and the other works after its next check."""

    async def scenario(loop: VirtualLoop) -> None:
        kv = MemoryKeyValueStore()
        first = LeaseUser(kv, loop)
        await loop.passing(1)
        second = LeaseUser(kv, loop)
        await loop.passing(20)
        await cancel_all([first.task])
        stopped = loop.elapsed
        await loop.passing(10)
        assert second.begun
        assert second.begun[0] - stopped <= LeaseTuning().renewal
        await cancel_all([second.task])

    run(scenario)


def test_restarted_process_continues_its_own_lease() -> None:
    """After a crash, a single server finds its own lease and need not wait for the end of it."""

    async def scenario(loop: VirtualLoop) -> None:
        kv = MemoryKeyValueStore()
        first = LeaseUser(kv, loop, "only")
        await loop.passing(10)
        first.link.cut = True
        again = LeaseUser(kv, loop, "only")
        await loop.passing(0.1)
        assert again.begun
        await cancel_all([first.task, again.task])

    run(scenario)


def test_late_write_of_a_former_holder_fails() -> None:
    """After a takeover, a write with the old holder's fence is refused."""

    async def scenario(loop: VirtualLoop) -> None:
        kv = MemoryKeyValueStore()
        first = LeaseUser(kv, loop)
        await loop.passing(10)
        fence = first.lease.fence
        await kv.write([Item("work", "done", b"1")], [fence])
        first.link.cut = True
        second = LeaseUser(kv, loop)
        await loop.passing(40)
        assert second.begun
        with pytest.raises(Conflict):
            await kv.write([Item("work", "done", b"2")], [fence])
        await kv.write([Item("work", "done", b"3")], [second.lease.fence])
        await cancel_all([first.task, second.task])

    run(scenario)


def test_renewals_do_not_change_the_fence() -> None:
    """A holder's writes depend on the same value for as long as it holds the lease."""

    async def scenario(loop: VirtualLoop) -> None:
        first = LeaseUser(MemoryKeyValueStore(), loop)
        await loop.passing(1)
        fence = first.lease.fence
        await loop.passing(1000)
        assert first.lease.held
        assert first.lease.fence == fence
        await cancel_all([first.task])

    run(scenario)


def test_failed_work_is_restarted() -> None:
    """Work that raises an error is started again after a renewal, by the same holder."""

    async def scenario(loop: VirtualLoop) -> None:
        tries: list[float] = []

        async def work() -> None:
            tries.append(loop.elapsed)
            raise OSError("once more")

        lease = Lease(MemoryKeyValueStore(), "work", clock=lambda: loop.elapsed)
        task = asyncio.create_task(lease.run(work))
        await loop.passing(3 * LeaseTuning().renewal + 1)
        assert len(tries) == 4
        await cancel_all([task])

    run(scenario)
