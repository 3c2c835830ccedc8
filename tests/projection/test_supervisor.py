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


class SupervisorHarness:
    """Projections that use a log and a store in memory, on virtual time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.log = MemoryLog(loop.now)
        self.store = ProjectionStore(None, loop.now, identity="a log", heads={})
        self.rings = Rings(self.store, 1 << 20)
        self.serving: dict[int, Projection] = {}
        self.floors = self.restart()
        self._number = 0

    def restart(self) -> ProjectionSupervisor:
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

    async def feed_events(self, client: int = ACME) -> list[str]:
        """Return the accounts in the client's interaction feed, in order."""
        page = await self.serving[client].feeds["interaction"].page(0, EVERYTHING, 1000)
        lines = page.lines.split(b"\n") if page.lines else []
        return [msgspec.json.decode(line)["account"] for line in lines]


def run_with_harness(work: Callable[[SupervisorHarness], Awaitable[None]]) -> list[Any]:
    """Run a test with its own loop, log and store. Returns the logged lines."""

    async def begin(loop: VirtualLoop) -> None:
        harness = SupervisorHarness(loop)
        await work(harness)
        await harness.floors.close()
        await harness.log.close()
        await harness.store.close()

    with capture_logs() as logged:
        run(begin)
    return logged


def test_a_client_is_served_once_its_floor_has_caught_up() -> None:
    """A floor that has caught up has the log's events and receives new ones."""

    async def work(harness: SupervisorHarness) -> None:
        await harness.log.append_site(ACME, msgspec.json.encode(PLAN))
        await harness.take(account="stored")
        await harness.floors.begin(ACME, PLAN)
        assert harness.serving[ACME].last_folded == 2
        assert await harness.feed_events() == ["stored"]
        await harness.serving[ACME].wait_until_folded(await harness.take(account="live"))
        assert await harness.feed_events() == ["stored", "live"]

    run_with_harness(work)


def test_only_a_changed_configuration_becomes_an_entry() -> None:
    """Only changed plans are appended, so that a restart adds nothing to the log."""

    async def work(harness: SupervisorHarness) -> None:
        heads = []
        for plan in (PLAN, PLAN, FloorConfig(time_zone="UTC"), FloorConfig(time_zone="UTC"), PLAN):
            await harness.floors.begin(ACME, plan)
            heads.append(harness.log.head(ACME).number)
        assert heads == [1, 1, 2, 2, 3]
        feeds = harness.serving[ACME].feeds
        assert all(feed.switched_on for feed in feeds.values())

    run_with_harness(work)


def test_a_failed_floor_is_restarted_and_publishes_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until a failed floor is rebuilt, its client is unavailable and waits fail."""

    async def work(harness: SupervisorHarness) -> None:
        await harness.floors.begin(ACME, PLAN)
        floor = harness.serving[ACME]
        await floor.wait_until_folded(await harness.take(account="before"))
        find = harness.store.find_calls
        monkeypatch.setattr(harness.store, "find_calls", _raising(Unavailable("no disk")))
        failing = await harness.take(account="in between", transactionId=2)
        with pytest.raises(Unavailable, match="being restarted"):
            await floor.wait_until_folded(failing)
        assert ACME not in harness.serving
        with pytest.raises(Unavailable):
            await harness.floors.begin(ACME, PLAN)
        await harness.loop.passing(5)
        assert ACME not in harness.serving
        monkeypatch.setattr(harness.store, "find_calls", find)
        await harness.loop.passing(2)
        assert harness.serving[ACME] is not floor
        assert await harness.feed_events() == ["before", "in between"]
        await harness.serving[ACME].wait_until_folded(await harness.take(account="after"))
        assert await harness.feed_events() == ["before", "in between", "after"]

    logged = run_with_harness(work)
    assert {one["event"] for one in logged if one["log_level"] == "error"} == {"folding_failed"}


def test_a_floor_is_restarted_as_soon_as_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason that prevents a start is logged, and the start is tried again."""

    async def work(harness: SupervisorHarness) -> None:
        await harness.floors.begin(ACME, PLAN)
        with monkeypatch.context() as patch:
            patch.setattr(harness.store, "find_calls", _raising(Unavailable("no disk")))
            patch.setattr(harness.store, "newest_snapshot", _raising(Unavailable("no disk")))
            await harness.take(account="recorded_at")
            await until(lambda: ACME not in harness.serving)
            await harness.loop.passing(5)
        await harness.loop.passing(2)
        assert await harness.feed_events() == ["recorded_at"]

    logged = run_with_harness(work)
    assert "folding_waits" in {one["event"] for one in logged}


def test_a_failed_floor_does_not_affect_other_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one client's floor fails, another client is still served."""

    async def work(harness: SupervisorHarness) -> None:
        for client in (ACME, OTHER):
            await harness.floors.begin(client, PLAN)
        find = harness.store.find_calls

        def raise_error(
            client: int, keys: Collection[CallKey], at_position: int
        ) -> dict[CallKey, bytes]:
            if client == ACME:
                raise Unavailable("no disk")
            return find(client, keys, at_position)

        monkeypatch.setattr(harness.store, "find_calls", raise_error)
        await harness.take(ACME, account="a")
        await harness.serving[OTHER].wait_until_folded(await harness.take(OTHER, account="b"))
        await until(lambda: ACME not in harness.serving)
        assert await harness.feed_events(OTHER) == ["b"]

    run_with_harness(work)


def test_a_damaged_entry_raises_an_error_and_retries_log_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The caller of ``begin`` gets the error, and retries do not log tracebacks."""

    async def work(harness: SupervisorHarness) -> None:
        for client in (ACME, OTHER):
            await harness.log.append_site(client, msgspec.json.encode(PLAN))
            await harness.take(client, account="stored")
        follow, tries = harness.log.follow, []

        def damaged(client: int, after: int) -> AsyncGenerator[Entry]:
            if client == ACME:
                tries.append(after)
                raise DamagedEntry(client, 2, None, "its checksum differs")
            return follow(client, after)

        monkeypatch.setattr(harness.log, "follow", damaged)
        with pytest.raises(DamagedEntry, match="entry 2 of client 7"):
            await harness.floors.begin(ACME, PLAN)
        await harness.floors.begin(OTHER, PLAN)
        assert await harness.feed_events(OTHER) == ["stored"]
        await harness.loop.passing(300)
        assert 3 <= len(tries) <= 7
        monkeypatch.setattr(harness.log, "follow", follow)
        await harness.loop.passing(61)
        assert await harness.feed_events(ACME) == ["stored"]

    logged = run_with_harness(work)
    assert {one["event"] for one in logged if one["log_level"] == "error"} == {"entry_damaged"}


def test_stopping_ends_a_floor_that_swallows_a_cancellation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Code that waits for NATS may lose a cancellation, but the node stops anyway."""

    async def work(harness: SupervisorHarness) -> None:
        asked = asyncio.Event()

        def damaged(client: int, after: int) -> AsyncGenerator[Entry]:
            raise DamagedEntry(client, after + 1, None, "its checksum differs")

        async def fail_to_recover(_client: int, _number: int) -> bool:
            asked.set()
            with suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()
            return False

        monkeypatch.setattr(harness.log, "follow", damaged)
        monkeypatch.setattr(harness.log, "recover", fail_to_recover)
        beginning = asyncio.create_task(harness.floors.begin(ACME, PLAN))
        await asked.wait()
        async with asyncio.timeout(1000):
            await harness.floors.close()
        await asyncio.gather(beginning, return_exceptions=True)

    run_with_harness(work)


def test_a_damaged_entry_that_is_recovered_stops_no_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The projection continues immediately, and its caller notices nothing."""

    async def work(harness: SupervisorHarness) -> None:
        await harness.log.append_site(ACME, msgspec.json.encode(PLAN))
        await harness.take(ACME, account="stored")
        follow = harness.log.follow

        def damaged(client: int, after: int) -> AsyncGenerator[Entry]:
            raise DamagedEntry(client, after + 1, None, "its checksum differs")

        async def recover(_client: int, _number: int) -> bool:
            monkeypatch.setattr(harness.log, "follow", follow)
            return True

        monkeypatch.setattr(harness.log, "follow", damaged)
        monkeypatch.setattr(harness.log, "recover", recover)
        await harness.floors.begin(ACME, PLAN)
        assert await harness.feed_events(ACME) == ["stored"]

    assert not [one for one in run_with_harness(work) if one["log_level"] == "error"]


def test_a_removed_client_is_no_longer_served() -> None:
    """Waits for the client fail, and the log keeps its entries in case it returns."""

    async def work(harness: SupervisorHarness) -> None:
        await harness.floors.begin(ACME, PLAN)
        floor = harness.serving[ACME]
        await floor.wait_until_folded(await harness.take(account="before"))
        waiting = asyncio.create_task(floor.wait_until_folded(99))
        await asyncio.sleep(0)
        harness.floors.end([ACME, OTHER])
        with pytest.raises(Unavailable):
            await waiting
        assert harness.serving == {}
        await harness.take(account="meanwhile")
        await harness.floors.begin(ACME, PLAN)
        assert await harness.feed_events() == ["before", "meanwhile"]

    run_with_harness(work)


def test_a_start_continues_from_the_snapshots_written_at_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client whose snapshot cannot be written does not affect other clients."""

    async def work(harness: SupervisorHarness) -> None:
        for client in (ACME, OTHER):
            await harness.floors.begin(client, PLAN)
            await harness.serving[client].wait_until_folded(await harness.take(client, account="a"))
        write = harness.store.write_snapshot

        def raise_error(client: int, entry: int, version: int, blob: bytes, kept_from: int) -> None:
            if client == ACME:
                raise OverflowError
            write(client, entry, version, blob, kept_from)

        with monkeypatch.context() as patch:
            patch.setattr(harness.store, "write_snapshot", raise_error)
            await harness.floors.close()
        assert harness.store.newest_snapshot(ACME, 9) is None
        assert harness.store.newest_snapshot(OTHER, 9) is not None
        harness.floors = harness.restart()
        for client in (ACME, OTHER):
            await harness.floors.begin(client, PLAN)
            assert harness.log.head(client).number == 2
            assert await harness.feed_events(client) == ["a"]

    logged = run_with_harness(work)
    assert [one["client"] for one in logged if one["event"] == "snapshot_failed"] == [ACME]


def test_quiet_floors_write_snapshots_in_time() -> None:
    """Quiet floors whose last snapshot is old write a new one."""

    async def work(harness: SupervisorHarness) -> None:
        await harness.floors.begin(ACME, PLAN)
        await harness.floors.snapshot()
        assert harness.store.newest_snapshot(ACME, 9) is None
        await harness.loop.passing(3601)
        await harness.floors.snapshot()
        assert harness.store.newest_snapshot(ACME, 9) is not None

    run_with_harness(work)


def _raising(error: Exception) -> Callable[..., None]:
    def raise_error(*_: object) -> None:
        raise error

    return raise_error


def test_a_floor_that_cannot_start_is_rebuilt_in_the_background(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The caller gets an error immediately, and the client is served once it can be folded."""

    async def work(harness: SupervisorHarness) -> None:
        await harness.take(account="before", transactionId=2)
        with monkeypatch.context() as patch:
            patch.setattr(harness.store, "find_calls", _raising(Unavailable("no disk")))
            with pytest.raises(FloorFailed):
                await harness.floors.begin(ACME, PLAN)
            assert harness.serving == {}
        await harness.loop.passing(3)
        await harness.floors.begin(ACME, PLAN)
        assert harness.serving[ACME].floor.state.config == PLAN

    run_with_harness(work)


def test_a_wait_for_a_floor_fails_when_its_client_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A projection that ``end`` has stopped is never ready, so its caller must get an error."""

    async def work(harness: SupervisorHarness) -> None:
        await harness.take(account="before")
        with monkeypatch.context() as patch:
            patch.setattr(Projection, "run", lambda _: asyncio.Event().wait())
            beginning = asyncio.create_task(harness.floors.begin(ACME, PLAN))
            await harness.loop.passing(1)
            assert not beginning.done()
            harness.floors.end([ACME])
            with pytest.raises(FloorFailed):
                await beginning
        await harness.floors.begin(ACME, PLAN)
        assert ACME in harness.serving

    run_with_harness(work)


def test_a_failed_snapshot_does_not_prevent_those_of_other_floors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Quiet floors are saved one after the other, even if one of them fails."""

    async def work(harness: SupervisorHarness) -> None:
        for client in (ACME, OTHER):
            await harness.floors.begin(client, PLAN)
        write = harness.store.write_snapshot

        def raise_error(client: int, entry: int, version: int, blob: bytes, kept_from: int) -> None:
            if client == ACME:
                raise OverflowError
            write(client, entry, version, blob, kept_from)

        monkeypatch.setattr(harness.store, "write_snapshot", raise_error)
        await harness.loop.passing(3601)
        await harness.floors.snapshot()
        assert harness.store.newest_snapshot(OTHER, 9) is not None
        monkeypatch.setattr(harness.store, "write_snapshot", write)

    logged = run_with_harness(work)
    assert [one["client"] for one in logged if one["event"] == "snapshot_failed"] == [ACME]
