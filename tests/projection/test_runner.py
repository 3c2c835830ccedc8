"""Tests that a client's projection publishes events, takes snapshots and survives restarts."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import FrameType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from structlog.testing import capture_logs

from floorcast.feeds.blocks import Record
from floorcast.feeds.feed import Feed
from floorcast.feeds.ring import Rings
from floorcast.floor import call_table, ledger
from floorcast.floor import floor as floors
from floorcast.floor.calls import Key
from floorcast.floor.floor import Floor
from floorcast.floor.state import SNAPSHOT_VERSION, FloorState, snapshot_parts, snapshot_steps
from floorcast.floor.view import FloorView
from floorcast.log.client_streams import Stream
from floorcast.log.memory import MemoryLog
from floorcast.log.port import Batch, Entry, Head
from floorcast.model import loop_turns
from floorcast.model import token as tokens
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import InboundEvent, read_lines
from floorcast.model.token import end_of_entry, position, to_ms
from floorcast.projection import runner
from floorcast.projection.initial_state import initial_state
from floorcast.projection.runner import FoldObserver, Projection
from floorcast.site.configuration import Agent, DeclaredFeed, FeedName, FloorConfig
from floorcast.statistics.visibility import Visibility
from floorcast.store.projection_store import ProjectionStore
from tests.feeds.stores import MemoryStore
from tests.real.nodes import Clock, until
from tests.real.sites import event

CLIENT = 7
HOUR = 3600
BOTH: tuple[DeclaredFeed, ...] = ("agent", "interaction")


class RecordingFeed(Feed):
    """A feed that keeps the events that are published to it."""

    def __init__(self, name: FeedName) -> None:
        super().__init__(CLIENT, name, Rings(MemoryStore(), 1 << 20))
        self.published: list[tuple[Sequence[Record], int, int]] = []
        self.sealed = 0

    def publish(self, records: Sequence[Record], through: int, ticks: int) -> None:
        """Keep the arguments."""
        self.published.append((records, through, ticks))

    def seal(self) -> None:
        """Count the call."""
        self.sealed += 1

    @property
    def records(self) -> list[Record]:
        """All published records in order."""
        return [record for records, _, _ in self.published for record in records]


class RecordingProjection(Projection):
    """A projection whose feeds a test can read."""

    feeds: Mapping[FeedName, RecordingFeed]


class ProjectionHarness:
    """A log and a store in memory, with projections that use them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.log = MemoryLog(self.clock)
        self.store = ProjectionStore(None, self.clock, identity="a log", heads={})
        self.folded: list[float] = []
        self.failed = 0
        self._number = 0

    def floor(self) -> RecordingProjection:
        """Return a projection as a start would create it."""
        floor = Floor(initial_state(CLIENT, self.store, self.log))
        feeds: Mapping[FeedName, Feed] = {name: RecordingFeed(name) for name in BOTH}
        observer = FoldObserver(self.folded.append, self._count)
        return RecordingProjection(floor, self.log, self.store, feeds, self.clock, observer)

    @asynccontextmanager
    async def running(self, floor: RecordingProjection) -> AsyncIterator[RecordingProjection]:
        """Let a projection fold while a block runs."""
        folding = asyncio.create_task(floor.run())
        try:
            yield floor
        finally:
            folding.cancel()
            with suppress(asyncio.CancelledError):
                await folding

    async def plan(self, *feeds: DeclaredFeed) -> int:
        """Append a site entry. Returns its number."""
        plan = FloorConfig(time_zone="UTC", feeds=feeds)
        return await self.log.append_site(CLIENT, msgspec.json.encode(plan))

    async def take(self, *events: dict[str, Any]) -> int:
        """Append an entry with these events. Returns its number."""
        lines = [msgspec.json.encode(one) for one in events]
        decoded = [msgspec.json.decode(line, type=InboundEvent) for line in lines]
        return (await self.log.append(Batch(CLIENT, lines, decoded))).number

    def event(self, kind: str, number: int = 0, **data: object) -> dict[str, Any]:
        """Return the next event, about call ``number`` if it is given."""
        self._number += 1
        call = {"transactionId": number, "sessionId": "s"} if number else {}
        return event(kind, self._number, **{**call, **data})

    def sms(self) -> dict[str, Any]:
        """Return an event for the interaction feed."""
        return self.event("sms.attempt", service=1, eventType="Attempt")

    def _count(self) -> None:
        self.failed += 1


def run(work: Callable[[ProjectionHarness], Coroutine[Any, Any, None]]) -> None:
    """Run a test in its own event loop, with its own log and store."""

    async def begin() -> None:
        harness = ProjectionHarness()
        await work(harness)
        await harness.log.close()
        await harness.store.close()

    asyncio.run(begin())


def test_the_log_off_of_a_former_id_follows_the_events_of_the_entry() -> None:
    """The feed has it at the next position, also if the entry is folded in slices."""

    async def work(harness: ProjectionHarness) -> None:
        for number in (7, 70):
            agents = (Agent(id=number, login="ANN"),)
            plan = FloorConfig(time_zone="UTC", feeds=BOTH, agents=agents)
            await harness.log.append_site(CLIENT, msgspec.json.encode(plan))
            ready = harness.event("agent.state", agent="ANN", eventType="READY")
            last = await harness.take(*(harness.sms() for _ in range(300)), ready, harness.sms())
        async with harness.running(harness.floor()) as floor:
            await floor.wait_until_folded(last)
            (_, *found) = floor.feeds["agent"].records
            kinds = [msgspec.json.decode(body) for _, _, body in found]
            assert [(one["agentId"], one["eventType"]) for one in kinds] == [
                (70, "READY"), (7, "LOGOFF"),
            ]  # fmt: skip
            assert [place for place, _, _ in found] == [position(last, 300), position(last, 302)]
            assert floor.feeds["agent"].published[-1][1] == end_of_entry(last)

    run(work)


def test_published_events_have_a_position_and_facets() -> None:
    """Event ids are the tokens of their positions, and every entry advances all feeds."""

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan(*BOTH)
        async with harness.running(harness.floor()) as floor:
            number = await harness.take(
                harness.event("call.start", 1, service=5, direction="INBOUND"),
                harness.event("call.queue", 1),
                harness.event("agent.state", agent=9, eventType="READY", service=5),
                harness.sms(),
            )
            await floor.wait_until_folded(number)
            calls, agents = floor.feeds["interaction"], floor.feeds["agent"]
            assert [(at, facets) for at, facets, _ in calls.records] == [
                (position(number, 0), ("VOICE", 5, None)),
                (position(number, 3), ("SMS", 1, None)),
            ]
            assert [(at, facets) for at, facets, _ in agents.records] == [
                (position(number, 2), ("", 5, None))
            ]
            recorded_at = harness.log.head(CLIENT).recorded_at
            for at, _, body in calls.records:
                event_id = msgspec.json.decode(body)["eventId"]
                assert event_id == tokens.encode(CLIENT, recorded_at, at)
            number = await harness.take(harness.event("call.queue", 1))
            await floor.wait_until_folded(number)
            for fed in (calls, agents):
                assert fed.published[-1] == (
                    [],
                    end_of_entry(number),
                    harness.log.head(CLIENT).recorded_at,
                )
        assert len(harness.folded) == 3

    run(work)


def test_a_feed_has_only_the_events_while_it_is_switched_on() -> None:
    """A feed has the events between the site entries that switch it on and off."""

    async def work(harness: ProjectionHarness) -> None:
        async with harness.running(harness.floor()) as floor:
            fed = floor.feeds["interaction"]
            seen = []
            for feeds in ((), BOTH, ("agent",), ("interaction",)):
                await harness.plan(*feeds)
                number = await harness.take(harness.sms())
                await floor.wait_until_folded(number)
                seen.append((fed.switched_on, len(fed.records)))
            assert seen == [(False, 0), (True, 1), (False, 1), (True, 2)]

    run(work)


def test_the_time_of_folding_of_a_change_is_kept() -> None:
    """The fold time is kept, because a response may be sent before a recorded entry is folded."""

    async def scenario() -> None:
        harness = ProjectionHarness()
        await harness.plan()
        await harness.take(harness.event("agent.state", agent="ANN", eventType="READY", service=1))
        harness.clock.move(5)
        floor = harness.floor()
        async with harness.running(floor):
            await floor.wait_until_folded(2)
        (folded_at,) = floor.floor.folded.of_agents.values()
        assert folded_at == to_ms(harness.clock())

    asyncio.run(scenario())


def one_event_per_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the runner wait for a turn of the loop after each event."""
    monkeypatch.setattr(runner, "SLICE_SECONDS", -1.0)
    monkeypatch.setattr(loop_turns, "SHORT_SECONDS", -1.0)


def test_a_long_entry_is_published_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tasks run between the parts, and each part says up to which position it is complete."""
    monkeypatch.setattr(runner, "RELOAD_EVENTS", 4)
    one_event_per_slice(monkeypatch)

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan(*BOTH)
        floor = harness.floor()
        fed = floor.feeds["interaction"]
        number = await harness.take(*[harness.sms() for _ in range(10)])
        async with harness.running(floor):
            assert await until(lambda: floor.last_folded == number) > 2
        pieces = [(len(records), through) for records, through, _ in fed.published if records]
        ends = [*(position(2, event) for event in range(9)), end_of_entry(2)]
        assert pieces == [(1, end) for end in ends]

    run(work)


def test_a_long_entry_looks_for_each_call_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call is looked up once, however many turns the entry takes."""
    one_event_per_slice(monkeypatch)

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan(*BOTH)
        floor = harness.floor()
        find, asked = harness.store.find_calls, []

        def counted(client: int, keys: list[Key], at_position: int) -> dict[Key, bytes]:
            asked.extend(keys)
            return find(client, keys, at_position)

        monkeypatch.setattr(harness.store, "find_calls", counted)
        starts = [
            harness.event("call.start", n, direction="INBOUND", service=1) for n in range(1, 61)
        ]
        async with harness.running(floor):
            await floor.wait_until_folded(await harness.take(*starts))
        assert len(floor.feeds["interaction"].published) > 3
        assert len(asked) == len(set(asked))

    run(work)


def test_an_event_that_cannot_be_folded_does_not_stop_the_fold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The failure is counted, and the events before and after it are published."""

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan(*BOTH)
        floor = harness.floor()
        fold = floor.floor.fold

        def raise_error(one: InboundEvent, recorded_at: int, event_id: str) -> object:
            if one.id == "2":
                raise ZeroDivisionError
            return fold(one, recorded_at, event_id)

        monkeypatch.setattr(floor.floor, "fold", raise_error)
        async with harness.running(floor):
            await floor.wait_until_folded(await harness.take(*[harness.sms() for _ in range(3)]))
        assert [at for at, _, _ in floor.feeds["interaction"].records] == [
            position(2, 0),
            position(2, 2),
        ]
        assert harness.failed == 1

    run(work)


def test_events_of_a_newer_release_are_skipped_and_logged_once() -> None:
    """Unknown types, unknown sites and invalid data are skipped, and the rest is published."""

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan(*BOTH)
        floor = harness.floor()
        lines = [msgspec.json.encode(harness.sms()) for _ in range(2)]
        unknown = [b'{"id":"x","source":"s","type":"call.whisper"}', b"garbage"]
        mixed = [unknown[0], lines[0], unknown[1], lines[1]]
        with capture_logs() as logs:
            async with harness.running(floor):
                batch = Batch(CLIENT, mixed, read_lines(b"\n".join(mixed)))
                number = (await harness.log.append(batch)).number
                await harness.log.append_site(CLIENT, b'{"feeds":["third"]}')
                await harness.log.append_site(CLIENT, b"garbage")
                await floor.wait_until_folded(number + 2)
        found = [at for at, _, _ in floor.feeds["interaction"].records]
        assert found == [position(number, 1), position(number, 3)]
        assert harness.failed == 0
        assert floor.floor.state.config.feeds == BOTH
        assert [one["event"] for one in logs] == ["unknown_events_kept"]

    run(work)


def test_waits_fail_when_the_floor_stops_folding() -> None:
    """Current and later waits fail, but there is no wait for entries that have been folded."""

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan(*BOTH)
        async with harness.running(harness.floor()) as floor:
            await floor.wait_until_folded(1)
            waiting = [asyncio.create_task(floor.wait_until_folded(2)) for _ in range(2)]
            await asyncio.sleep(0)
            waiting[0].cancel()
            floor.fail()
            with pytest.raises(Unavailable):
                await waiting[1]
            with pytest.raises(Unavailable):
                await floor.wait_until_folded(2)
            await floor.wait_until_folded(1)

    run(work)


def test_a_failed_wait_leaves_nothing_for_the_garbage_collector() -> None:
    """Each request that waits holds its events, which can be many megabytes."""

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan(*BOTH)
        async with harness.running(harness.floor()) as floor:
            await floor.wait_until_folded(1)
            gc.collect()
            waiting = asyncio.create_task(floor.wait_until_folded(2))
            await asyncio.sleep(0)
            floor.fail()
            with pytest.raises(Unavailable):
                await waiting
            del waiting
            await asyncio.sleep(0)
            assert not [one for one in _garbage() if isinstance(one, FrameType)]

    gc.disable()
    try:
        run(work)
    finally:
        gc.enable()


def _garbage() -> list[object]:
    """Return what only the garbage collector can free."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found = list(gc.garbage)
    gc.garbage.clear()
    return found


def whole(floor: RecordingProjection) -> list[bytes]:
    """Return the complete state of the floor as bytes."""
    return list(snapshot_parts(floor.floor.snapshot_state()))


def test_a_snapshot_plus_the_entries_after_it_give_the_floor() -> None:
    """A start from a snapshot gives the same floor and feeds as a projection that never stopped."""

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan(*BOTH)
        async with harness.running(harness.floor()) as floor:
            first = await harness.take(
                harness.event("call.start", 1, service="Sales", direction="INBOUND", account="A"),
                harness.event("agent.state", agent="ANN", eventType="LOGON", service="Sales"),
            )
            await floor.wait_until_folded(first)
            await floor.snapshot()
            assert [fed.sealed for fed in floor.feeds.values()] == [1, 1]
            harness.clock.move(60)
            last = await harness.take(
                harness.event("agent.state", agent="ANN", eventType="READY"),
                harness.event("call.end", 1),
            )
            await floor.wait_until_folded(last)
            async with harness.running(harness.floor()) as again:
                assert again.last_folded == first
                assert all(fed.switched_on for fed in again.feeds.values())
                await again.wait_until_folded(last)
                assert whole(again) == whole(floor)
                for name, fed in again.feeds.items():
                    assert fed.records == floor.feeds[name].records[-1:]

    run(work)


async def newest_snapshots(
    harness: ProjectionHarness, floor: RecordingProjection, pause: float = 0
) -> list[int]:
    """Return the entry of the newest snapshot, or 0, after each of four requests of two events."""
    found = []
    for _ in range(4):
        number = await harness.take(harness.sms(), harness.sms())
        await floor.wait_until_folded(number)
        await asyncio.sleep(0)
        snapshot = harness.store.newest_snapshot(CLIENT, number)
        found.append(snapshot.entry if snapshot else 0)
        harness.clock.move(pause)
    return found


def test_a_snapshot_is_written_after_a_number_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """No snapshot is taken earlier, and none is taken twice for the same events."""
    monkeypatch.setattr(runner, "SNAPSHOT_EVENTS", 5)
    monkeypatch.setattr(runner, "PAST_SNAPSHOT_EVENTS", 5)

    async def work(harness: ProjectionHarness) -> None:
        async with harness.running(harness.floor()) as floor:
            assert await newest_snapshots(harness, floor) == [0, 0, 3, 3]

    run(work)


def test_snapshots_take_a_bounded_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large floor's next snapshot waits ten times as long as the last one took."""
    monkeypatch.setattr(runner, "SNAPSHOT_EVENTS", 2)
    monkeypatch.setattr(runner, "PAST_SNAPSHOT_EVENTS", 2)
    steps = snapshot_steps
    seconds = 0.0

    def slow(state: FloorState) -> Iterator[bytes | None]:
        nonlocal seconds
        yield from steps(state)
        seconds += 4.0

    monkeypatch.setattr(runner, "snapshot_steps", slow)
    monkeypatch.setattr(runner, "time", SimpleNamespace(perf_counter=lambda: seconds))

    async def work(harness: ProjectionHarness) -> None:
        async with harness.running(harness.floor()) as floor:
            assert await newest_snapshots(harness, floor, 15) == [1, 1, 1, 4]

    run(work)


def test_a_slow_floor_writes_more_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer events are enough if the last snapshot is older than ``PAST_SNAPSHOT_SECONDS``."""
    monkeypatch.setattr(runner, "PAST_SNAPSHOT_EVENTS", 4)

    async def work(harness: ProjectionHarness) -> None:
        async with harness.running(harness.floor()) as floor:
            found = []
            for _ in range(5):
                harness.clock.move(100)
                number = await harness.take(harness.sms(), harness.sms())
                await floor.wait_until_folded(number)
                await asyncio.sleep(0)
                snapshot = harness.store.newest_snapshot(CLIENT, number)
                found.append(snapshot.entry if snapshot else 0)
            assert found == [0, 0, 3, 3, 3]

    run(work)


def test_a_clock_that_is_set_back_delays_no_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next snapshot does not wait until the clock is where it was."""
    monkeypatch.setattr(runner, "PAST_SNAPSHOT_EVENTS", 4)

    async def work(harness: ProjectionHarness) -> None:
        async with harness.running(harness.floor()) as floor:
            harness.clock.move(-5 * 3600)
            for _ in range(2):
                number = await harness.take(harness.sms(), harness.sms())
                await floor.wait_until_folded(number)
                await asyncio.sleep(0)
            snapshot = harness.store.newest_snapshot(CLIENT, number)
            assert snapshot is not None
            assert snapshot.entry == 2

    run(work)


def test_each_hour_of_the_log_ends_with_a_snapshot() -> None:
    """The last snapshot of an hour is the floor before the next hour's first entry."""

    async def work(harness: ProjectionHarness) -> None:
        async with harness.running(harness.floor()) as floor:
            for _ in range(3):
                await harness.take(harness.sms())
                last = await harness.take(harness.sms())
                harness.clock.move(3600)
                following = await harness.take(harness.sms())
                await floor.wait_until_folded(following)
                snapshot = harness.store.newest_snapshot(CLIENT, following)
                assert snapshot is not None
                assert snapshot.entry == last

    run(work)


def test_a_quiet_floor_writes_an_hourly_snapshot() -> None:
    """A quiet floor takes a snapshot every hour if anything has happened since the last one."""

    async def work(harness: ProjectionHarness) -> None:
        async with harness.running(harness.floor()) as floor:
            await floor.wait_until_folded(await harness.take(harness.sms()))
            await floor.snapshot_if_due()
            assert harness.store.newest_snapshot(CLIENT, 9) is None
            harness.clock.move(HOUR)
            await floor.snapshot_if_due()
            first = harness.store.newest_snapshot(CLIENT, 9)
            assert first is not None
            assert first.entry == 1
            harness.clock.move(2 * HOUR)
            await floor.snapshot_if_due()
            assert [fed.sealed for fed in floor.feeds.values()] == [1, 1]

    run(work)


def test_a_floor_that_is_quiet_after_a_burst_writes_a_snapshot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not wait for the next event, because starts and past answers would fold the burst."""
    monkeypatch.setattr(runner, "PAST_SNAPSHOT_EVENTS", 2)

    async def work(harness: ProjectionHarness) -> None:
        async with harness.running(harness.floor()) as floor:
            await floor.wait_until_folded(await harness.take(harness.sms(), harness.sms()))
            await floor.snapshot_if_due()
            assert harness.store.newest_snapshot(CLIENT, 9) is None
            harness.clock.move(runner.PAST_SNAPSHOT_SECONDS)
            await floor.snapshot_if_due()
            snapshot = harness.store.newest_snapshot(CLIENT, 9)
            assert snapshot is not None
            assert snapshot.entry == 1

    run(work)


def test_a_floor_stopped_in_the_middle_of_an_entry_writes_no_snapshot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No snapshot is taken, because a start from it would miss the rest of the entry."""
    monkeypatch.setattr(runner, "RELOAD_EVENTS", 1)
    one_event_per_slice(monkeypatch)

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan(*BOTH)
        floor = harness.floor()
        async with harness.running(floor):
            await harness.take(*[harness.sms() for _ in range(5)])
            await until(lambda: floor.feeds["interaction"].records)
        assert 0 < len(floor.feeds["interaction"].records) < 5
        await floor.snapshot()
        assert harness.store.newest_snapshot(CLIENT, 9) is None
        async with harness.running(harness.floor()) as again:
            await again.wait_until_folded(2)
            assert len(again.feeds["interaction"].records) == 5

    run(work)


@pytest.mark.parametrize("damage", ["version", "blob"])
def test_an_unreadable_snapshot_is_ignored(damage: str) -> None:
    """If a snapshot is damaged or has another version, the log is folded from its beginning."""

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan(*BOTH)
        last = await harness.take(harness.sms())
        version = SNAPSHOT_VERSION + (damage == "version")
        harness.store.write_snapshot(CLIENT, last, version, b"\xc1")
        async with harness.running(harness.floor()) as floor:
            await floor.wait_until_folded(last)
            assert len(floor.feeds["interaction"].records) == 1

    run(work)


def test_a_start_knows_the_site_if_its_entry_was_removed() -> None:
    """The site is known even if retention has removed the site's entry."""

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan("interaction")
        await harness.take(harness.sms())
        harness.clock.move(27 * HOUR)
        last = await harness.take(harness.sms())
        assert harness.log.last_removed(CLIENT) == 2
        async with harness.running(harness.floor()) as floor:
            assert floor.last_folded == 2
            await floor.wait_until_folded(last)
            fed = floor.feeds["interaction"]
            assert fed.switched_on
            assert [at for at, _, _ in fed.records] == [position(last, 0)]

    run(work)


async def ended_call(harness: ProjectionHarness, floor: RecordingProjection) -> None:
    """Begin and end call 1, so that the next entry evicts it."""
    number = await harness.take(
        harness.event("call.start", 1, service=5, direction="INBOUND", account="A1"),
        harness.event("call.end", 1, lvResult="DONE"),
    )
    await floor.wait_until_folded(number)
    harness.clock.move(11 * 60)


def test_an_event_reloads_an_evicted_call() -> None:
    """A late event is published with the call's known data, and changes the stored call."""

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan(*BOTH)
        async with harness.running(harness.floor()) as floor:
            await ended_call(harness, floor)
            await floor.wait_until_folded(await harness.take(harness.sms()))
            assert not floor.floor.call_table.calls
            found = floor.find_call(1, "s")
            assert found is not None
            assert (found.account, found.term_code) == ("A1", None)
            late = await harness.take(harness.event("call.disposition", 1, termCode="RPC"))
            await floor.wait_until_folded(late)
            body = msgspec.json.decode(floor.feeds["interaction"].records[-1][2])
            assert (body["account"], body["serviceId"]) == ("A1", 5)
            harness.clock.move(11 * 60)
            await floor.wait_until_folded(await harness.take(harness.sms()))
            assert not floor.floor.call_table.calls
            found = floor.find_call(1, "s")
            assert found is not None
            assert found.term_code == "RPC"
            assert floor.find_call(2, "s") is None

    run(work)


def test_a_call_is_found_while_the_entry_that_evicted_it_is_folded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request between two parts of a long entry also finds the call."""
    monkeypatch.setattr(runner, "RELOAD_EVENTS", 1)
    one_event_per_slice(monkeypatch)

    async def work(harness: ProjectionHarness) -> None:
        async with harness.running(harness.floor()) as floor:
            await ended_call(harness, floor)
            last = await harness.take(*[harness.sms() for _ in range(4)])
            looked = 0
            while floor.last_folded < last:
                looked += bool(not floor.floor.call_table.calls)
                assert floor.find_call(1, "s") is not None
                await asyncio.sleep(0)
            assert looked > 1

    run(work)


@pytest.mark.parametrize("ended", [False, True], ids=["quiet", "ended"])
def test_calls_leave_memory_in_turns(monkeypatch: pytest.MonkeyPatch, *, ended: bool) -> None:
    """The calls of a whole request leave memory together, but in several turns of the loop."""
    monkeypatch.setattr(call_table, "EVICTED_PER_STEP", 4)
    one_event_per_slice(monkeypatch)

    async def work(harness: ProjectionHarness) -> None:
        async with harness.running(harness.floor()) as floor:
            numbers = range(1, 41)
            events = [harness.event("call.queue", one, service=5) for one in numbers]
            events += [harness.event("call.end", one) for one in numbers if ended]
            await floor.wait_until_folded(await harness.take(*events))
            harness.clock.move(6 * 3600)
            last = await harness.take(harness.sms())
            calls = floor.floor.call_table.calls
            sizes = [len(calls)]
            while floor.last_folded < last:
                if len(calls) < sizes[-1]:
                    sizes.append(len(calls))
                assert all(floor.find_call(one, "s") is not None for one in numbers)
                await asyncio.sleep(0)
            assert sizes == list(range(40, -1, -4))
            assert not floor.floor.call_table.evicted

    run(work)


def test_a_time_zone_changes_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop turns while a floor changes its time zone, and no figures are read meanwhile."""
    monkeypatch.setattr(floors, "_CALLS_PER_STEP", 4)
    monkeypatch.setattr(ledger, "_SERVICES_PER_STEP", 4)
    one_event_per_slice(monkeypatch)

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan(*BOTH)
        async with harness.running(harness.floor()) as floor:
            numbers = range(1, 41)
            events = [harness.event("call.queue", one, service=one) for one in numbers]
            await floor.wait_until_folded(await harness.take(*events))
            config = msgspec.structs.replace(floor.floor.state.config, time_zone="Asia/Kolkata")
            last = await harness.log.append_site(CLIENT, msgspec.json.encode(config))
            visibility, refused = Visibility([FloorView(floor.floor)]), 0
            while floor.last_folded < last:
                if not floor.floor.is_consistent:
                    refused += 1
                    with pytest.raises(Unavailable):
                        visibility.scopes()
                await asyncio.sleep(0)
            assert refused > 30
            today = floor.floor.calendar.day_of(to_ms(harness.clock()))
            counted = visibility.views[0].services_on(today)
            assert {number: counted[number].offered for number in numbers} == dict.fromkeys(
                numbers, 1
            )
            assert visibility.scopes()

    run(work)


def test_a_start_before_a_late_event_folds_it_as_it_was_folded() -> None:
    """Versions of a call that were stored after the snapshot are not read."""

    async def work(harness: ProjectionHarness) -> None:
        await harness.plan(*BOTH)
        async with harness.running(harness.floor()) as floor:
            await ended_call(harness, floor)
            await floor.wait_until_folded(await harness.take(harness.sms()))
            await floor.snapshot()
            for code in ("RPC", "WPC"):
                late = harness.event("call.disposition", 1, termCode=code, account=f"of {code}")
                await floor.wait_until_folded(await harness.take(late))
                harness.clock.move(11 * 60)
                last = await harness.take(harness.sms())
                await floor.wait_until_folded(last)
            async with harness.running(harness.floor()) as again:
                await again.wait_until_folded(last)
                assert whole(again) == whole(floor)
                for name, fed in again.feeds.items():
                    records = floor.feeds[name].records
                    assert fed.records == records[len(records) - len(fed.records) :]
                assert len(again.feeds["interaction"].records) == 4
                assert again.find_call(1, "s") == floor.find_call(1, "s")

    run(work)


def test_an_empty_log_begins_with_an_empty_floor() -> None:
    """An empty log gives an empty floor, without any wait."""

    async def work(harness: ProjectionHarness) -> None:
        assert initial_state(CLIENT, harness.store, harness.log) == FloorState(client=CLIENT)
        async with harness.running(harness.floor()) as floor:
            await floor.wait_until_folded(0)
            assert floor.last_folded == 0

    run(work)


def test_a_folded_entry_is_not_kept_until_the_next_one() -> None:
    """The decoded events of a large request take hundreds of megabytes."""

    class Events(list[Any]):
        """A list that a test can watch."""

    async def work(harness: ProjectionHarness) -> None:
        floor = harness.floor()
        stream = Stream(CLIENT, Head(0, 0), 10)
        with patch.object(harness.log, "follow", lambda _, after: stream.follow(after, _nothing)):
            async with harness.running(floor):
                await asyncio.sleep(0)
                line = msgspec.json.encode(harness.sms())
                events = Events([msgspec.json.decode(line, type=InboundEvent)])
                kept = weakref.ref(events)
                stream.publish(Entry(CLIENT, 1, harness.clock(), "events", 1, line, events))
                del events
                await floor.wait_until_folded(1)
                await asyncio.sleep(0)
                assert kept() is None

    run(work)


def _nothing(_after: int, _limit: int) -> list[Entry]:
    return []
