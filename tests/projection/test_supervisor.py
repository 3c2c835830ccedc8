"""Tests that the supervisor starts projections, lets them catch up, and restarts or stops them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from floorcast.feeds.filters import EVERYTHING
from floorcast.feeds.ring import Rings
from floorcast.log.memory import MemoryLog
from floorcast.log.port import Batch, Entry
from floorcast.model.errors import DamagedEntry, Unavailable
from floorcast.model.inbound import InboundEvent
from floorcast.projection.runner import FoldObserver, Projection
from floorcast.projection.supervisor import FloorFailed, FoldOptions, ProjectionSupervisor
from floorcast.site.configuration import FloorConfig
from floorcast.store.projection_store import ProjectionStore
from floorcast.store.stored_calls import CallKey
from tests.real.nodes import until
from tests.real.sites import event
from tests.virtual_time import VirtualLoop, run

ACME, OTHER = 7, 8
PLAN = FloorConfig(time_zone="UTC", feeds=("agent", "interaction"))


class House:
    """Projections that use a log and a store in memory, on virtual time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.log = MemoryLog(loop.now)
        self.store = ProjectionStore(None, loop.now, identity="a log", heads={})
        self.rings = Rings(self.store, 1 << 20)
        self.serving: dict[int, Projection] = {}
        self.floors = self.begin_again()
        self._number = 0

    def begin_again(self) -> ProjectionSupervisor:
        """Return projections as a new process creates them."""
        return ProjectionSupervisor(
            self.log,
            self.store,
            self.rings,
            self.serving,
            options=FoldOptions(quiet_call_ms=1),
            now=self.loop.now,
            observer=FoldObserver(lambda _: None, lambda: None),
        )

    async def take(self, client: int = ACME, **data: object) -> int:
        """Append an entry with one event of the interaction feed. Returns its number."""
        self._number += 1
        line = msgspec.json.encode(
            event("call.end", self._number, **{"transactionId": 1, "sessionId": "s", **data})
        )
        one = msgspec.json.decode(line, type=InboundEvent)
        return (await self.log.append(Batch(client, [line], [one]))).number

    async def fed(self, client: int = ACME) -> list[str]:
        """Return the accounts in the client's interaction feed, in order."""
        page = await self.serving[client].feeds["interaction"].page(0, EVERYTHING, 1000)
        lines = page.lines.split(b"\n") if page.lines else []
        return [msgspec.json.decode(line)["account"] for line in lines]


def in_house(work: Callable[[House], Awaitable[None]]) -> list[Any]:
    """Run a test with its own loop, log and store. Returns the logged lines."""

    async def begin(loop: VirtualLoop) -> None:
        house = House(loop)
        await work(house)
        await house.floors.close()
        await house.log.close()
        await house.store.close()

    with capture_logs() as logged:
        run(begin)
    return logged


def test_a_client_is_served_once_its_floor_has_caught_up() -> None:
    """A floor that has caught up has the log's events and receives new ones."""

    async def work(house: House) -> None:
        await house.log.append_site(ACME, msgspec.json.encode(PLAN))
        await house.take(account="stored")
        await house.floors.begin(ACME, PLAN)
        assert house.serving[ACME].last_folded == 2
        assert await house.fed() == ["stored"]
        await house.serving[ACME].wait_until_folded(await house.take(account="live"))
        assert await house.fed() == ["stored", "live"]

    in_house(work)


def test_only_a_changed_configuration_becomes_an_entry() -> None:
    """Only changed plans are appended, so that a restart adds nothing to the log."""

    async def work(house: House) -> None:
        heads = []
        for plan in (PLAN, PLAN, FloorConfig(time_zone="UTC"), FloorConfig(time_zone="UTC"), PLAN):
            await house.floors.begin(ACME, plan)
            heads.append(house.log.head(ACME).number)
        assert heads == [1, 1, 2, 2, 3]
        feeds = house.serving[ACME].feeds
        assert all(feed.switched_on for feed in feeds.values())

    in_house(work)


def test_a_failed_floor_is_restarted_and_publishes_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until a failed floor is rebuilt, its client is unavailable and waits fail."""

    async def work(house: House) -> None:
        await house.floors.begin(ACME, PLAN)
        floor = house.serving[ACME]
        await floor.wait_until_folded(await house.take(account="before"))
        find = house.store.find_calls
        monkeypatch.setattr(house.store, "find_calls", _raising(Unavailable("no disk")))
        failing = await house.take(account="in between", transactionId=2)
        with pytest.raises(Unavailable, match="being restarted"):
            await floor.wait_until_folded(failing)
        assert ACME not in house.serving
        with pytest.raises(Unavailable):
            await house.floors.begin(ACME, PLAN)
        await house.loop.passing(5)
        assert ACME not in house.serving
        monkeypatch.setattr(house.store, "find_calls", find)
        await house.loop.passing(2)
        assert house.serving[ACME] is not floor
        assert await house.fed() == ["before", "in between"]
        await house.serving[ACME].wait_until_folded(await house.take(account="after"))
        assert await house.fed() == ["before", "in between", "after"]

    logged = in_house(work)
    assert {one["event"] for one in logged if one["log_level"] == "error"} == {"folding_failed"}


def test_a_floor_is_restarted_as_soon_as_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason that prevents a start is logged, and the start is tried again."""

    async def work(house: House) -> None:
        await house.floors.begin(ACME, PLAN)
        with monkeypatch.context() as patch:
            patch.setattr(house.store, "find_calls", _raising(Unavailable("no disk")))
            patch.setattr(house.store, "newest_snapshot", _raising(Unavailable("no disk")))
            await house.take(account="recorded_at")
            await until(lambda: ACME not in house.serving)
            await house.loop.passing(5)
        await house.loop.passing(2)
        assert await house.fed() == ["recorded_at"]

    logged = in_house(work)
    assert "folding_waits" in {one["event"] for one in logged}


def test_a_failed_floor_does_not_affect_other_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one client's floor fails, another client is still served."""

    async def work(house: House) -> None:
        for client in (ACME, OTHER):
            await house.floors.begin(client, PLAN)
        find = house.store.find_calls

        def falls_over(
            client: int, keys: Collection[CallKey], at_position: int
        ) -> dict[CallKey, bytes]:
            if client == ACME:
                raise Unavailable("no disk")
            return find(client, keys, at_position)

        monkeypatch.setattr(house.store, "find_calls", falls_over)
        await house.take(ACME, account="a")
        await house.serving[OTHER].wait_until_folded(await house.take(OTHER, account="b"))
        await until(lambda: ACME not in house.serving)
        assert await house.fed(OTHER) == ["b"]

    in_house(work)


def test_a_damaged_entry_raises_an_error_and_retries_log_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The caller of ``begin`` gets the error, and retries do not log tracebacks."""

    async def work(house: House) -> None:
        for client in (ACME, OTHER):
            await house.log.append_site(client, msgspec.json.encode(PLAN))
            await house.take(client, account="stored")
        follow, tries = house.log.follow, []

        def damaged(client: int, after: int) -> AsyncGenerator[Entry]:
            if client == ACME:
                tries.append(after)
                raise DamagedEntry(client, 2, None, "its checksum differs")
            return follow(client, after)

        monkeypatch.setattr(house.log, "follow", damaged)
        with pytest.raises(DamagedEntry, match="entry 2 of client 7"):
            await house.floors.begin(ACME, PLAN)
        await house.floors.begin(OTHER, PLAN)
        assert await house.fed(OTHER) == ["stored"]
        await house.loop.passing(300)
        assert 3 <= len(tries) <= 7
        monkeypatch.setattr(house.log, "follow", follow)
        await house.loop.passing(61)
        assert await house.fed(ACME) == ["stored"]

    logged = in_house(work)
    assert {one["event"] for one in logged if one["log_level"] == "error"} == {"entry_damaged"}


def test_stopping_ends_a_floor_that_swallows_a_cancellation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Code that waits for NATS may lose a cancellation, but the node stops anyway."""

    async def work(house: House) -> None:
        asked = asyncio.Event()

        def damaged(client: int, after: int) -> AsyncGenerator[Entry]:
            raise DamagedEntry(client, after + 1, None, "its checksum differs")

        async def deaf(_client: int, _number: int) -> bool:
            asked.set()
            with suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()
            return False

        monkeypatch.setattr(house.log, "follow", damaged)
        monkeypatch.setattr(house.log, "recover", deaf)
        beginning = asyncio.create_task(house.floors.begin(ACME, PLAN))
        await asked.wait()
        async with asyncio.timeout(1000):
            await house.floors.close()
        await asyncio.gather(beginning, return_exceptions=True)

    in_house(work)


def test_a_damaged_entry_that_is_recovered_stops_no_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The projection continues immediately, and its caller notices nothing."""

    async def work(house: House) -> None:
        await house.log.append_site(ACME, msgspec.json.encode(PLAN))
        await house.take(ACME, account="stored")
        follow = house.log.follow

        def damaged(client: int, after: int) -> AsyncGenerator[Entry]:
            raise DamagedEntry(client, after + 1, None, "its checksum differs")

        async def recover(_client: int, _number: int) -> bool:
            monkeypatch.setattr(house.log, "follow", follow)
            return True

        monkeypatch.setattr(house.log, "follow", damaged)
        monkeypatch.setattr(house.log, "recover", recover)
        await house.floors.begin(ACME, PLAN)
        assert await house.fed(ACME) == ["stored"]

    assert not [one for one in in_house(work) if one["log_level"] == "error"]


def test_a_removed_client_is_no_longer_served() -> None:
    """Waits for the client fail, and the log keeps its entries in case it returns."""

    async def work(house: House) -> None:
        await house.floors.begin(ACME, PLAN)
        floor = house.serving[ACME]
        await floor.wait_until_folded(await house.take(account="before"))
        waiting = asyncio.create_task(floor.wait_until_folded(99))
        await asyncio.sleep(0)
        house.floors.end([ACME, OTHER])
        with pytest.raises(Unavailable):
            await waiting
        assert house.serving == {}
        await house.take(account="meanwhile")
        await house.floors.begin(ACME, PLAN)
        assert await house.fed() == ["before", "meanwhile"]

    in_house(work)


def test_a_start_continues_from_the_snapshots_written_at_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client whose snapshot cannot be written does not affect other clients."""

    async def work(house: House) -> None:
        for client in (ACME, OTHER):
            await house.floors.begin(client, PLAN)
            await house.serving[client].wait_until_folded(await house.take(client, account="a"))
        write = house.store.write_snapshot

        def falls_over(client: int, entry: int, version: int, blob: bytes, kept_from: int) -> None:
            if client == ACME:
                raise OverflowError
            write(client, entry, version, blob, kept_from)

        with monkeypatch.context() as patch:
            patch.setattr(house.store, "write_snapshot", falls_over)
            await house.floors.close()
        assert house.store.newest_snapshot(ACME, 9) is None
        assert house.store.newest_snapshot(OTHER, 9) is not None
        house.floors = house.begin_again()
        for client in (ACME, OTHER):
            await house.floors.begin(client, PLAN)
            assert house.log.head(client).number == 2
            assert await house.fed(client) == ["a"]

    logged = in_house(work)
    assert [one["client"] for one in logged if one["event"] == "snapshot_failed"] == [ACME]


def test_quiet_floors_write_snapshots_in_time() -> None:
    """Quiet floors whose last snapshot is old write a new one."""

    async def work(house: House) -> None:
        await house.floors.begin(ACME, PLAN)
        await house.floors.snapshot()
        assert house.store.newest_snapshot(ACME, 9) is None
        await house.loop.passing(3601)
        await house.floors.snapshot()
        assert house.store.newest_snapshot(ACME, 9) is not None

    in_house(work)


def _raising(error: Exception) -> Callable[..., None]:
    def falls_over(*_: object) -> None:
        raise error

    return falls_over


def test_a_floor_that_cannot_start_is_rebuilt_in_the_background(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The caller gets an error immediately, and the client is served once it can be folded."""

    async def work(house: House) -> None:
        await house.take(account="before", transactionId=2)
        with monkeypatch.context() as patch:
            patch.setattr(house.store, "find_calls", _raising(Unavailable("no disk")))
            with pytest.raises(FloorFailed):
                await house.floors.begin(ACME, PLAN)
            assert house.serving == {}
        await house.loop.passing(3)
        await house.floors.begin(ACME, PLAN)
        assert house.serving[ACME].floor.state.config == PLAN

    in_house(work)


def test_a_wait_for_a_floor_fails_when_its_client_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A projection that ``end`` has stopped is never ready, so its caller must get an error."""

    async def work(house: House) -> None:
        await house.take(account="before")
        with monkeypatch.context() as patch:
            patch.setattr(Projection, "run", lambda _: asyncio.Event().wait())
            beginning = asyncio.create_task(house.floors.begin(ACME, PLAN))
            await house.loop.passing(1)
            assert not beginning.done()
            house.floors.end([ACME])
            with pytest.raises(FloorFailed):
                await beginning
        await house.floors.begin(ACME, PLAN)
        assert ACME in house.serving

    in_house(work)


def test_a_failed_snapshot_does_not_prevent_those_of_other_floors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Quiet floors are saved one after the other, even if one of them fails."""

    async def work(house: House) -> None:
        for client in (ACME, OTHER):
            await house.floors.begin(client, PLAN)
        write = house.store.write_snapshot

        def falls_over(client: int, entry: int, version: int, blob: bytes, kept_from: int) -> None:
            if client == ACME:
                raise OverflowError
            write(client, entry, version, blob, kept_from)

        monkeypatch.setattr(house.store, "write_snapshot", falls_over)
        await house.loop.passing(3601)
        await house.floors.snapshot()
        assert house.store.newest_snapshot(OTHER, 9) is not None
        monkeypatch.setattr(house.store, "write_snapshot", write)

    logged = in_house(work)
    assert [one["client"] for one in logged if one["event"] == "snapshot_failed"] == [ACME]
