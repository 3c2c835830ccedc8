"""Tests of the evaluator with two nodes on one log, and with a log that fails."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import msgspec
import pytest

from floorcast.alerts.evaluator import AlertEvaluator
from floorcast.floor.floor import Floor
from floorcast.log.memory import MemoryLog
from floorcast.log.port import Appended, Batch
from floorcast.model.errors import Unavailable
from floorcast.model.inbound import AlertTransition, read_lines
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

    async def evaluate(self, log: MemoryLog) -> None:
        """Evaluate the rules once, and wait until the projection has folded all entries."""
        await self.evaluator.evaluate_and_append(self.projection)
        await self.projection.wait_until_folded(log.head(CLIENT).number)


async def take(log: MemoryLog, clock: Clock, kind: str) -> None:
    """Append an event of call 2 with the current time."""
    now = clock() // 10_000
    event = msgspec.structs.replace(call_at(kind, now, 2, service=10), id=f"{kind}{now}")
    await log.append(Batch(CLIENT, [msgspec.json.encode(event)], [event]))


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
