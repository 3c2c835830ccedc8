"""Tests that events beyond a client's limits are rejected, and all others are accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from floorcast.floor.call_table import ENDED_KEPT_MS
from floorcast.floor.floor import LATE_MS
from floorcast.ingest.intake import IngestResult, Intake
from floorcast.log.memory import MemoryLog
from floorcast.log.port import Appended, Batch
from floorcast.model.errors import Unavailable
from floorcast.model.token import TICKS_PER_MS
from floorcast.site.configuration import Limits
from tests.projection.test_runner import CLIENT, ProjectionHarness, RecordingProjection
from tests.real.nodes import until
from tests.real.sites import ndjson
from tests.search import tries

Event = dict[str, Any]


class IntakeHarness:
    """The intake of a node with a running floor."""

    def __init__(
        self, projections: ProjectionHarness, floor: RecordingProjection, limits: Limits
    ) -> None:
        self.projections = projections
        self.floor = floor
        self.limits = limits
        clock = projections.clock
        self.intake = Intake(projections.log, clock, lambda: None, monotonic=clock)

    async def send(self, *events: Event) -> IngestResult:
        """Send a request with these events."""
        return await self.intake.accept(self.floor, ndjson(events), "lines", self.limits)

    def state(self, who: str | int, **data: Any) -> Event:  # noqa: ANN401 - members of an event
        """Return an agent's event."""
        return self.projections.event("agent.state", agent=who, eventType="READY", **data)

    def count(self) -> dict[str, int]:
        """Return the floor's number of each kind."""
        names, calls = self.floor.floor.state.directory, self.floor.floor.call_table.calls.values()
        return {
            "agents": len(names.agents),
            "services": len(names.services),
            "campaigns": len(names.campaigns),
            "teams": len(names.teams),
            "open_calls": sum(call.ended is None for call in calls),
        }


class FullLog(MemoryLog):
    """A log that refuses appends while it is full."""

    full = True

    async def append(self, batch: Batch) -> Appended:
        """Refuse or store."""
        if self.full:
            raise Unavailable("the log cannot be written")
        return await super().append(batch)


def run(limits: Limits, work: Callable[[IntakeHarness], Coroutine[Any, Any, None]]) -> None:
    """Run a test with a floor and these limits."""

    async def begin() -> None:
        projections = ProjectionHarness()
        async with projections.running(projections.floor()) as floor:
            await work(IntakeHarness(projections, floor, limits))
        await projections.log.close()
        await projections.store.close()

    asyncio.run(begin())


def rejected(result: IngestResult) -> list[int]:
    """Return the indices of the rejected events."""
    return [one.index for one in result.rejected]


def test_events_beyond_the_limit_are_rejected_and_others_are_accepted() -> None:
    """Known names are accepted, and the verdict says what the source must change."""

    async def work(harness: IntakeHarness) -> None:
        result = await harness.send(*map(harness.state, ["A", "B", "C", "A", "D"]))
        assert (result.accepted, rejected(result)) == (3, [2, 4])
        assert result.rejected[0].code == 202
        assert "reached its limit of 2 agents" in result.rejected[0].message
        assert "limits.agents" in result.rejected[0].message
        assert (await harness.send(harness.state("B"), harness.state("E"))).accepted == 1
        assert harness.count()["agents"] == 2

    run(Limits(agents=2), work)


def test_every_kind_of_name_has_its_limit() -> None:
    """Every member counts. An event with several new names is accepted or rejected as a whole."""

    async def work(harness: IntakeHarness) -> None:
        call = {"transactionId": 9, "sessionId": "s", "service": "New"}
        beyond = [
            harness.projections.event("call.start", 1, service="New", direction="INBOUND"),
            harness.state("A", services=["Sales", "New"]),
            harness.state("A", call=call),
            harness.state("A", agent2="New"),
            harness.state("A", team="New"),
            harness.projections.event("campaign.update", campaign="New"),
            harness.projections.event("call.end", 2, agentId="New"),
            harness.projections.event("call.answer", 3),
        ]
        assert (await harness.send(harness.state("A", service="Sales"))).accepted == 1
        result = await harness.send(*beyond)
        assert rejected(result) == list(range(len(beyond)))
        kinds = [one.message.split("limits.")[1].split(" ")[0] for one in result.rejected]
        assert kinds[3:] == ["agents", "teams", "campaigns", "agents", "open_calls"]
        assert harness.count() == {
            "agents": 1,
            "services": 1,
            "campaigns": 0,
            "teams": 0,
            "open_calls": 0,
        }

    run(Limits(agents=1, services=1, campaigns=0, teams=0, open_calls=0), work)


def test_an_ended_call_no_longer_counts() -> None:
    """This also applies within a request. Later events of an ended call do not open a call."""

    async def work(harness: IntakeHarness) -> None:
        queue = [
            harness.projections.event("call.queue", number, service=1) for number in range(1, 6)
        ]
        end = [harness.projections.event("call.end", number) for number in range(1, 6)]
        result = await harness.send(queue[0], queue[1], end[0], queue[2], queue[3])
        assert (result.accepted, rejected(result)) == (4, [4])
        assert (await harness.send(end[1], end[2])).accepted == 2
        assert (await harness.send(queue[3], queue[4])).accepted == 2
        harness.projections.clock.ticks += (ENDED_KEPT_MS + 1) * TICKS_PER_MS
        await harness.send(harness.projections.sms())
        assert (1, "s") not in harness.floor.floor.call_table.calls
        late = harness.projections.event("call.disposition", 1, termCode="RPC")
        unknown = harness.projections.event("call.disposition", 77, termCode="RPC")
        assert rejected(await harness.send(late, unknown)) == [1]

    run(Limits(open_calls=2), work)


def test_an_end_makes_room_for_a_call_later_in_the_request() -> None:
    """Each end makes room for one call, also if it is sent twice, or its call has ended already."""

    async def work(harness: IntakeHarness) -> None:
        queue = [
            harness.projections.event("call.queue", number, service=1) for number in range(1, 8)
        ]
        end = [harness.projections.event("call.end", number) for number in range(1, 8)]
        assert (await harness.send(queue[0], queue[1])).accepted == 2
        again = harness.projections.event("call.end", 1)
        result = await harness.send(end[0], again, queue[2], queue[3], end[1], queue[4], queue[5])
        assert rejected(result) == [3, 6]
        assert harness.count()["open_calls"] == 2
        both = await asyncio.gather(
            harness.send(end[2], queue[5]), harness.send(end[0], queue[6]), harness.send(queue[6])
        )
        assert [rejected(one) for one in both] == [[], [1], [0]]
        assert harness.count()["open_calls"] == 2

    run(Limits(open_calls=2), work)


LOGINS = st.tuples(
    st.sampled_from("ABC"), st.lists(st.integers(1, 6), min_size=1, max_size=6, unique=True)
)


@settings(max_examples=tries(40), deadline=None)
@given(st.lists(st.lists(st.lists(LOGINS, max_size=4), max_size=3), max_size=4), st.integers(0, 12))
def test_the_services_of_all_agents_have_a_limit(
    rounds: list[list[list[tuple[str, list[int]]]]], most: int
) -> None:
    """Requests at once share it. Events that name only services already counted are accepted."""

    async def work(harness: IntakeHarness) -> None:
        floor = harness.floor.floor
        for requests in rounds:
            results = await asyncio.gather(
                *(
                    harness.send(*(harness.state(who, services=at) for who, at in logins))
                    for logins in requests
                )
            )
            assert floor.ledger.agent_counters <= most
            assert floor.logged_in_agents.places + floor.logged_off_agents.places <= most
            reasons = [why.message for result in results for why in result.rejected]
            assert all("limits.agent_services" in reason for reason in reasons)
        for agent in list(floor.state.agents.values()):
            again = harness.state(agent.id, services=list(agent.logged_in_to))
            assert (await harness.send(again)).accepted == 1

    run(Limits(agent_services=most), work)


def test_the_calls_of_an_agent_count_at_the_services_of_the_calls() -> None:
    """Whether the agent's event names the call or the call's event names the agent."""

    async def work(harness: IntakeHarness) -> None:
        queues = [
            harness.projections.event("call.queue", number, service=number)
            for number in range(1, 5)
        ]
        assert (await harness.send(harness.state("A", service=1), *queues)).accepted == 5
        answers = [
            harness.projections.event("call.answer", number, agent="A") for number in (1, 2, 3)
        ]
        assert rejected(await harness.send(answers[0], answers[1])) == []
        assert rejected(await harness.send(answers[2])) == [0]
        call = {"transactionId": 4, "sessionId": "s"}
        assert rejected(await harness.send(harness.state("A", call=call))) == [0]
        assert harness.floor.floor.ledger.agent_counters == 2

    run(Limits(agent_services=2), work)


AGENT_TEXTS = st.tuples(
    st.sampled_from("ABC"),
    st.sampled_from(["reason", "skill", "account"]),
    st.sampled_from(["a", "b", "\u20ac"]),
    st.sampled_from([1, 128, 129, 4000]),
)


@settings(max_examples=tries(40), deadline=None)
@given(
    st.lists(st.lists(st.lists(AGENT_TEXTS, max_size=5), max_size=3), max_size=5),
    st.sampled_from([0, 4500, 12_000]),
)
def test_long_texts_of_agents_have_a_limit(
    rounds: list[list[list[tuple[str, str, str, int]]]], most: int
) -> None:
    """Requests at once share it. Short texts, and texts that an agent has, are always accepted."""

    def one(harness: IntakeHarness, who: str, member: str, letter: str, length: int) -> Event:
        text = letter * length
        members = {"call": {member: text}} if member == "account" else {member: text}
        return harness.projections.event("agent.state", agent=who, eventType="NOT_READY", **members)

    async def work(harness: IntakeHarness) -> None:
        sizes = harness.floor.floor.agent_sizes
        for requests in rounds:
            results = await asyncio.gather(
                *(harness.send(*(one(harness, *spec) for spec in specs)) for specs in requests)
            )
            assert sizes.bytes <= most
            for specs, result in zip(requests, results, strict=True):
                assert all(specs[index][3] > 128 for index in rejected(result))
                assert all("limits.agent_bytes" in why.message for why in result.rejected)
                accepted = [at for at in range(len(specs)) if at not in rejected(result)]
                again = [one(harness, *specs[at]) for at in accepted]
                for event in again:
                    assert (await harness.send(event)).accepted == 1
        harness.projections.clock.ticks += (LATE_MS + 60_001) * TICKS_PER_MS
        short = [harness.state(who, skill="a") for who in "ABC"]
        assert (await harness.send(*short)).accepted == 3
        harness.projections.clock.ticks += (LATE_MS + 60_001) * TICKS_PER_MS
        await harness.send(harness.projections.sms())
        assert sizes.bytes == 0
        if most >= 4500:
            assert (await harness.send(one(harness, "D", "reason", "a", 4000))).accepted == 1

    run(Limits(agent_bytes=most), work)


CALL_EVENTS = st.tuples(
    st.integers(1, 4),
    st.sampled_from(["call.start", "call.update", "call.leave", "call.end"]),
    st.sampled_from([0, 1500, 4000]),
)


@settings(max_examples=tries(40), deadline=None)
@given(
    st.lists(st.lists(st.lists(CALL_EVENTS, max_size=5), max_size=3), max_size=5),
    st.sampled_from([0, 3000, 12_000]),
)
def test_long_texts_of_open_calls_have_a_limit(
    rounds: list[list[list[tuple[int, str, int]]]], most: int
) -> None:
    """Requests at once share the limit. Ends and ordinary events are always accepted."""

    def one(harness: IntakeHarness, number: int, kind: str, length: int) -> Event:
        members: dict[str, Any] = {"account": "a" * length}
        if kind == "call.start":
            members |= {"service": 1, "direction": "INBOUND"}
        if kind in ("call.leave", "call.end"):
            members = {"reason": "KEY"} if kind == "call.leave" else {"zipCode": "a" * length}
        return harness.projections.event(kind, number, **members)

    async def work(harness: IntakeHarness) -> None:
        sizes = harness.floor.floor.call_table.sizes
        for requests in rounds:
            results = await asyncio.gather(
                *(harness.send(*(one(harness, *spec) for spec in specs)) for specs in requests)
            )
            assert sizes.open_bytes <= most
            for specs, result in zip(requests, results, strict=True):
                assert all(specs[index][1] != "call.end" for index in rejected(result))
                assert all("limits.call_bytes" in why.message for why in result.rejected)
        ordinary = [one(harness, number, "call.start", 0) for number in range(11, 31)]
        assert (await harness.send(*ordinary)).accepted == 20
        await harness.send(*(one(harness, number, "call.end", 0) for number in range(1, 5)))
        assert sizes.open_bytes == 0
        if most >= 3000:
            assert (await harness.send(one(harness, 9, "call.start", 3000))).accepted == 1

    run(Limits(call_bytes=most), work)


def test_concurrent_requests_share_the_remaining_quota() -> None:
    """Names in requests that are not folded yet count, too."""

    async def work(harness: IntakeHarness) -> None:
        requests = [
            harness.send(*(harness.state(f"{letter}{number}") for number in range(4)))
            for letter in "ABCDE"
        ]
        results = await asyncio.gather(*requests)
        assert sum(result.accepted for result in results) == 10
        assert harness.count()["agents"] == 10
        same = await asyncio.gather(*(harness.send(harness.state("A0")) for _ in range(9)))
        assert [result.accepted for result in same] == [1] * 9

    run(Limits(agents=10), work)


def test_events_are_not_inspected_far_below_the_limits(monkeypatch: Any) -> None:  # noqa: ANN401 - pytest's
    """Requests reserve the maximum that they could add, and release it at the end."""

    async def work(harness: IntakeHarness) -> None:
        monkeypatch.setattr("floorcast.ingest.new_names.FloorNames.new_objects", None)
        for _ in range(50):
            result = await harness.send(harness.state("A"), harness.state("B", services=[1, 2, 3]))
            assert result.accepted == 2

    run(Limits(agents=6, services=10), work)


def test_a_request_that_the_log_refuses_uses_no_quota() -> None:
    """The names of the request do not count any longer."""

    async def work(harness: IntakeHarness) -> None:
        log = FullLog(harness.projections.clock)
        intake, harness.intake = (
            harness.intake,
            Intake(log, harness.projections.clock, lambda: None),
        )
        for name in "ABC":
            with pytest.raises(Unavailable):
                await harness.send(harness.state(name))
        log.full = False
        await harness.projections.log.close()
        harness.projections.log = log
        again = harness.projections.floor()
        async with harness.projections.running(again):
            harness.floor = again
            assert (await harness.send(harness.state("D"))).accepted == 1
        harness.intake = intake

    run(Limits(agents=1), work)


def test_a_client_at_its_limit_is_logged_once_a_minute() -> None:
    """The log has one line, and not one per event."""

    async def work(harness: IntakeHarness) -> None:
        with capture_logs() as logs:
            for name in "ABCDE":
                await harness.send(harness.state(name))
            harness.projections.clock.ticks += 61_000 * TICKS_PER_MS
            await harness.send(harness.state("F"))
        lines = [one for one in logs if one["event"] == "client_limit_reached"]
        assert [(one["client"], one["limit"], one["most"]) for one in lines] == [
            (CLIENT, "agents", 1)
        ] * 2

    run(Limits(agents=1), work)


def test_a_log_that_exceeds_the_limits_is_still_folded() -> None:
    """The log's events count even after the limit was lowered."""

    async def work(harness: IntakeHarness) -> None:
        await harness.send(*map(harness.state, "ABCDE"))
        harness.limits = Limits(agents=2)
        assert (await harness.send(*map(harness.state, "ABCDE"))).accepted == 5
        again = harness.projections.floor()
        async with harness.projections.running(again):
            await until(lambda: again.last_folded == harness.floor.last_folded)
            assert len(again.floor.state.directory.agents) == 5
            assert (await harness.send(harness.state("F"))).accepted == 0

    run(Limits(), work)


NAMES: st.SearchStrategy[str | int] = st.sampled_from(["A", "B", "C", "7", "8", 7, 8, 9])
REQUESTS = st.lists(
    st.lists(st.tuples(NAMES, NAMES, st.none() | NAMES), max_size=6), max_size=6
)  # fmt: skip


@settings(max_examples=tries(60), deadline=None)
@given(REQUESTS, st.integers(0, 4))
def test_only_events_beyond_the_limits_are_rejected(
    requests: Sequence[Sequence[tuple[str | int, str | int, str | int | None]]], most: int
) -> None:
    """A model of the names predicts which events exceed the limits."""
    previous: dict[str, set[str]] = {"agents": set(), "services": set(), "teams": set()}

    def fits(*names: str | int | None) -> bool:
        after = {
            kind: previous[kind] | ({str(name)} - {"None"})
            for kind, name in zip(previous, names, strict=True)
        }
        if any(len(one) > most for one in after.values()):
            return False
        previous.update(after)
        return True

    async def work(harness: IntakeHarness) -> None:
        for request in requests:
            events = [harness.state(who, service=at, team=team) for who, at, team in request]
            result = await harness.send(*events)
            beyond = [index for index, names in enumerate(request) if not fits(*names)]
            assert rejected(result) == beyond
            found = harness.count()
            assert {kind: found[kind] for kind in previous} == {
                kind: len(names) for kind, names in previous.items()
            }

    run(Limits(agents=most, services=most, teams=most), work)


def test_a_request_with_many_new_names_does_not_block_the_loop() -> None:
    """Tens of thousands of names in one request do not block the loop."""

    async def work(harness: IntakeHarness) -> None:
        names = list(range(50_000))
        events = [
            harness.state("A", services=names[at : at + 1000]) for at in range(0, 50_000, 1000)
        ]
        turns = 0
        sending = asyncio.create_task(harness.send(*events))
        while not sending.done():
            turns += 1
            await asyncio.sleep(0)
        assert (await sending).accepted == 1
        assert turns > 4

    run(Limits(services=1000), work)
