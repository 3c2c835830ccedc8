"""Tests of the evaluator with two nodes on one log, and with a log that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from floorcast.alerts.evaluator import AlertEvaluator
from floorcast.floor.floor import Floor
from floorcast.log.memory import MemoryLog
from floorcast.log.port import Appended, Batch
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import AlertTransition, read_lines
from floorcast.model.loop_turns import take_turn
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.projection.initial_state import initial_state
from floorcast.projection.refold import FoldLimits
from floorcast.projection.runner import FoldObserver, Projection
from floorcast.site.configuration import AlertRule, FloorConfig, Service
from floorcast.store.projection_store import ProjectionStore
from tests.real.nodes import Clock
from tests.statistics.floors import call_at

CLIENT = 7
PLAN = FloorConfig(
    services=(Service(id=10, name="Sales"),),
    alerts=(AlertRule(name="Wait", figure="longestCallInQueue", threshold=20, clear=10, hold=2),),
)


class Node:
    """A projection of the log, and an evaluator that reads the projection."""

    def __init__(self, log: MemoryLog, clock: Clock) -> None:
        store = ProjectionStore(None, clock, identity="a log", heads={})
        floor = Floor(initial_state(CLIENT, store, log))
        observer = FoldObserver(lambda _seconds: None, lambda: None)
        self.projection = Projection(floor, log, store, {}, clock, observer)
        self.evaluator = AlertEvaluator({CLIENT: self.projection}, log, clock, FoldLimits())

    async def evaluate_all(self, log: MemoryLog) -> None:
        """Evaluate the rules as a server does every second, and wait until they are evaluated."""
        await self.evaluator.evaluate_all()
        await asyncio.gather(*self.evaluator._running.values())  # noqa: SLF001 — no other end
        await self.projection.wait_until_folded(log.head(CLIENT).number)

    async def evaluate(self, log: MemoryLog) -> None:
        """Evaluate the rules once, and wait until the projection has folded all entries."""
        await self.evaluator.evaluate_and_append(self.projection)
        await self.projection.wait_until_folded(log.head(CLIENT).number)


async def take(log: MemoryLog, clock: Clock, kind: str, age: int = 0, call: int = 2) -> None:
    """Append an event of a call that happened ``age`` seconds ago."""
    now = clock() // 10_000
    event = call_at(kind, now - age * 1000, call, service=10)
    event = msgspec.structs.replace(event, id=f"{kind}{now} {age} {call}")
    await log.append(Batch(CLIENT, [msgspec.json.encode(event)], [event]))


async def seconds(node: Node, log: MemoryLog, clock: Clock, count: int) -> None:
    """Let seconds pass, with an evaluation in each of them."""
    for _ in range(count):
        clock.move(1.0)
        await node.evaluate_all(log)


@asynccontextmanager
async def running(log: MemoryLog, clock: Clock) -> AsyncIterator[Node]:
    """Run a node, which has folded the whole log when the block begins."""
    node = Node(log, clock)
    task = asyncio.create_task(node.projection.run())
    await node.projection.wait_until_folded(log.head(CLIENT).number)
    node.evaluator.begin()
    yield node
    await node.evaluator.close()
    await cancel_all([task])


async def log_with(clock: Clock, hold: int = 2) -> MemoryLog:
    """Return a log with the rule."""
    log = MemoryLog(clock)
    (rule,) = PLAN.alerts
    plan = msgspec.structs.replace(PLAN, alerts=(msgspec.structs.replace(rule, hold=hold),))
    await log.append_site(CLIENT, msgspec.json.encode(plan))
    return log


def transitions(log: MemoryLog) -> list[tuple[str, float | None]]:
    """Return each transition's status and value from the log."""
    return [
        (event.data.status, event.data.value)
        for entry in log.read(CLIENT, 0, 1000)
        if entry.kind == "events"
        for event in read_lines(entry.payload)
        if isinstance(event, AlertTransition)
    ]


def test_two_nodes_log_each_transition_once() -> None:
    """The log has each transition once, although two nodes evaluate the rule and one restarts."""
    asyncio.run(_two_nodes())


async def _two_nodes() -> None:
    clock = Clock()
    log = MemoryLog(clock)
    await log.append_site(CLIENT, msgspec.json.encode(PLAN))
    async with AsyncExitStack() as stack:
        nodes = []
        for _ in range(2):
            node = Node(log, clock)
            task = asyncio.create_task(node.projection.run())
            stack.callback(task.cancel)
            nodes.append(node)
        await take(log, clock, "queue")
        for second in range(40):
            clock.move(1.0)
            if second == 30:
                await take(log, clock, "end")
            if second == 22:
                nodes[1] = Node(log, clock)
                task = asyncio.create_task(nodes[1].projection.run())
                stack.callback(task.cancel)
            for node in nodes if second % 2 else nodes[::-1]:
                await node.projection.wait_until_folded(log.head(CLIENT).number)
                await node.evaluate(log)
    assert transitions(log) == [("pending", 21), ("firing", 23), ("ok", 0)]
    for node in nodes:
        assert [one.status for one in node.projection.floor.state.alerts.values()] == ["ok"]


class FullLog(MemoryLog):
    """A log that refuses every append."""

    async def append(self, batch: Batch) -> Appended:
        """Raise ``Unavailable``."""
        raise Unavailable("the disk is full")


def test_a_refused_transition_is_proposed_again(caplog: pytest.LogCaptureFixture) -> None:
    """If the log refuses a transition, the alert keeps its status, and a later attempt follows."""
    asyncio.run(_refused())


async def _refused() -> None:
    clock = Clock()
    log = FullLog(clock)
    plan = msgspec.structs.replace(
        PLAN,
        alerts=(AlertRule(name="Idle", figure="totalAgents", threshold=1, clear=1, above=False),),
    )
    await log.append_site(CLIENT, msgspec.json.encode(plan))
    node = Node(log, clock)
    task = asyncio.create_task(node.projection.run())
    await node.projection.wait_until_folded(1)
    await node.evaluate(log)
    assert node.projection.floor.state.alerts == {}
    assert [one.data.status for one in await node.evaluator.evaluate(node.projection)] == ["firing"]
    await node.evaluator.close()
    task.cancel()


def test_nothing_fires_before_the_sources_have_sent_what_they_could_not() -> None:
    """After a restart, a call that ended while the server was down does not fire an alert."""
    asyncio.run(_restart())


async def _restart() -> None:
    clock = Clock()
    log = await log_with(clock)
    async with running(log, clock) as node:
        await take(log, clock, "queue")
        await seconds(node, log, clock, 10)
    clock.move(600)
    async with running(log, clock) as node:
        await seconds(node, log, clock, 30)
        await take(log, clock, "end")
        await seconds(node, log, clock, 100)
    assert transitions(log) == []


def test_a_call_that_still_waits_after_a_restart_fires_a_minute_later() -> None:
    """Figures that no source has corrected are right."""
    asyncio.run(_still_waiting())


async def _still_waiting() -> None:
    clock = Clock()
    log = await log_with(clock)
    await take(log, clock, "queue")
    clock.move(600)
    async with running(log, clock) as node:
        await seconds(node, log, clock, 64)
    assert transitions(log) == [("pending", 661), ("firing", 663)]


def test_nothing_fires_while_a_source_catches_up() -> None:
    """After an hour, a source sends the events of the hour for two minutes. No wait was long."""
    asyncio.run(_backlog())


async def _backlog() -> None:
    clock = Clock()
    log = await log_with(clock)
    async with running(log, clock) as node:
        await take(log, clock, "queue", call=1)
        await seconds(node, log, clock, 5)
        await take(log, clock, "end", call=1)
    clock.move(3_600)
    async with running(log, clock) as node:
        for second in range(120):
            age = 3_600 - 30 * second
            await take(log, clock, "queue", age, call=second + 3)
            await seconds(node, log, clock, 1)
            await take(log, clock, "end", age - 10, call=second + 3)
        await seconds(node, log, clock, 30)
        assert transitions(log) == []
        await take(log, clock, "queue")
        await seconds(node, log, clock, 25)
    assert transitions(log) == [("pending", 21), ("firing", 23)]


def test_a_firing_alert_does_not_clear_on_old_figures() -> None:
    """After a restart, a firing alert stays until the figures are known again."""
    asyncio.run(_firing_restart())


async def _firing_restart() -> None:
    clock = Clock()
    log = await log_with(clock, hold=0)
    async with running(log, clock) as node:
        await take(log, clock, "queue")
        await seconds(node, log, clock, 25)
        await take(log, clock, "end")
    assert transitions(log) == [("firing", 21)]
    clock.move(600)
    async with running(log, clock) as node:
        await seconds(node, log, clock, 60)
        assert transitions(log) == [("firing", 21)]
        await seconds(node, log, clock, 1)
    assert transitions(log) == [("firing", 21), ("ok", 0)]


def test_the_time_without_a_server_does_not_count_for_a_rule() -> None:
    """A rule that must hold for 90 s fires 90 s after the figures are known again."""
    asyncio.run(_hold())


async def _hold() -> None:
    clock = Clock()
    log = await log_with(clock, hold=90)
    async with running(log, clock) as node:
        await take(log, clock, "queue")
        await seconds(node, log, clock, 30)
    assert transitions(log) == [("pending", 21)]
    clock.move(600)
    async with running(log, clock) as node:
        await seconds(node, log, clock, 61 + 89)
        assert transitions(log) == [("pending", 21)]
        await seconds(node, log, clock, 1)
    assert transitions(log)[1:] == [("firing", 30 + 600 + 61 + 90)]


def test_nothing_is_evaluated_while_events_cannot_be_stored() -> None:
    """While sources are refused, no rule is evaluated. Afterward, they have time to send."""
    asyncio.run(_stalled())


async def _stalled() -> None:
    clock = Clock()
    log = await log_with(clock, hold=0)
    async with running(log, clock) as node:
        await take(log, clock, "queue")
        await seconds(node, log, clock, 15)
        log.stall_reason = "no quorum"
        await seconds(node, log, clock, 20)
        log.stall_reason = ""
        await seconds(node, log, clock, 19)
        await take(log, clock, "end")
        await seconds(node, log, clock, 60)
    assert transitions(log) == []


class LaggingLog(MemoryLog):
    """A log that lacks what other nodes have stored in the last ``behind`` ticks."""

    behind = 0

    def ticks_behind(self, client: int) -> int:
        """Return ``behind``."""
        assert client == CLIENT
        return self.behind


def test_a_node_that_lags_behind_its_cluster_evaluates_nothing() -> None:
    """A node evaluates no rule while its log may lack other nodes' entries."""
    asyncio.run(_lagging())


async def _lagging() -> None:
    clock = Clock()
    log = LaggingLog(clock)
    await log.append_site(CLIENT, msgspec.json.encode(PLAN))
    async with running(log, clock) as node:
        await take(log, clock, "queue")
        log.behind = 10 * TICKS_PER_SECOND
        await seconds(node, log, clock, 60)
        assert transitions(log) == []
        log.behind = TICKS_PER_SECOND
        await seconds(node, log, clock, 70)
    assert transitions(log) == [("pending", 121), ("firing", 123)]


def test_a_busy_floor_is_evaluated_once_it_has_folded_the_log() -> None:
    """An evaluation waits for the entries that the log has, instead of being skipped."""
    asyncio.run(_busy())


async def _busy() -> None:
    clock = Clock()
    log = await log_with(clock)
    async with running(log, clock) as node:
        await take(log, clock, "queue")
        for _ in range(30):
            clock.move(1.0)
            await log.append_site(CLIENT, b"not yet folded " + str(clock()).encode())
            await node.evaluate_all(log)
    assert transitions(log)[:2] == [("pending", 21), ("firing", 23)]


def test_a_floor_that_is_replaced_during_an_evaluation_changes_nothing() -> None:
    """The figures of a floor that has failed may be those of half an entry."""
    asyncio.run(_replaced())


async def _replaced() -> None:
    clock = Clock()
    log = await log_with(clock, hold=0)
    async with running(log, clock) as node:
        await take(log, clock, "queue")
        await seconds(node, log, clock, 15)
        clock.move(5.0)
        floors = {CLIENT: node.projection}
        other = AlertEvaluator(floors, log, clock, FoldLimits())
        await other.evaluate_all()
        floors.clear()
        for _ in range(20):
            await asyncio.sleep(0)
        assert transitions(log) == []
        await other.close()


def test_a_rule_that_changes_during_an_evaluation_is_evaluated_anew() -> None:
    """A threshold that no longer applies does not fire, and a removed rule's alert does not."""
    for alerts in ((), (msgspec.structs.replace(PLAN.alerts[0], threshold=500, hold=0),)):
        asyncio.run(_changed(msgspec.structs.replace(PLAN, alerts=alerts)))


async def _changed(plan: FloorConfig) -> None:
    clock = Clock()
    log = await log_with(clock, hold=0)
    async with running(log, clock) as node:
        await take(log, clock, "queue")
        await seconds(node, log, clock, 20)
        clock.move(1.0)
        floor = node.projection

        async def turn(client: int, *, for_answer: bool) -> None:
            number = await log.append_site(CLIENT, msgspec.json.encode(plan))
            await floor.wait_until_folded(number)
            await take_turn(client, for_answer=for_answer)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("floorcast.alerts.evaluator.take_turn", turn)
            await node.evaluate_all(log)
        assert transitions(log) == []
        await seconds(node, log, clock, 5)
        assert transitions(log) == []


def test_a_clock_that_is_wrong_for_a_moment_fires_nothing() -> None:
    """Neither a wait of a day nor a day of silence is true while the clock is a day ahead."""
    asyncio.run(_wrong_clock())


async def _wrong_clock() -> None:
    clock = Clock()
    log = await log_with(clock, hold=0)
    async with running(log, clock) as node:
        await take(log, clock, "queue")
        await seconds(node, log, clock, 2)
        clock.move(86_400)
        await seconds(node, log, clock, 10)
        clock.move(-86_400)
        await take(log, clock, "end")
        await seconds(node, log, clock, 200)
    assert transitions(log) == []
