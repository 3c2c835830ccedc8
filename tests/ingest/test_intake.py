"""Tests that a request is checked, stored and folded before it is acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from floorcast.floor.floor import Floor as Fold
from floorcast.floor.state import FloorState
from floorcast.ingest.decode import MAX_VERDICTS
from floorcast.ingest.intake import (
    Admission,
    AdmittedRequest,
    Busy,
    DecodedMemory,
    IngestResult,
    Intake,
)
from floorcast.log.memory import MemoryLog
from floorcast.log.port import Appended, Batch
from floorcast.model.errors import NotAnObject, TooLarge, Unavailable
from floorcast.projection.runner import Projection
from floorcast.site.configuration import Limits
from tests.real.nodes import until
from tests.real.sites import event, ndjson
from tests.search import tries

NOW = 1_795_428_000 * 10_000_000
CLIENT = 7
ACME, OTHER, THIRD = 47415, 4199, 5


class Floor(Projection):
    """A floor that folds when the test allows it."""

    client = CLIENT

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.floor = Fold(FloorState(CLIENT))
        self.last_folded = 0
        self.asked: list[int] = []
        self.allowed = asyncio.Event()
        self.error: Exception | None = None

    async def wait_until_folded(self, number: int) -> None:
        """Wait for permission. The awaited position is already in the log."""
        assert self.log.head(self.client).number >= number
        self.asked.append(number)
        await self.allowed.wait()
        if self.error is not None:
            raise self.error


class FullLog(MemoryLog):
    """A log that refuses every append."""

    async def append(self, batch: Batch) -> Appended:
        """Refuse."""
        raise Unavailable("the log cannot be written")


def ignore_failure() -> None:
    """Ignore a failure of the log."""


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on its own loop."""
    asyncio.run(work)


def queued(*numbers: int) -> bytes:
    """Return a request with ``call.queue`` events that have these ids."""
    return ndjson(event("call.queue", n, transactionId=n, sessionId="s") for n in numbers)


def test_a_request_is_acknowledged_after_its_entry_is_folded() -> None:
    """A stored entry is not enough, because the caller must be able to read the events."""

    async def work() -> None:
        log = MemoryLog(lambda: NOW)
        floor = Floor(log)
        taking = asyncio.create_task(
            Intake(log, lambda: NOW, ignore_failure).accept(floor, queued(1, 2), "lines", Limits())
        )
        await until(lambda: floor.asked)
        assert log.head(CLIENT).number == 1
        assert not taking.done()
        floor.allowed.set()
        assert await taking == IngestResult(2, 0, [])
        assert floor.asked == [1]

    run(work())


def test_duplicates_are_acknowledged_after_the_original_is_folded() -> None:
    """A retry finds that all its events are known, and can read them, too."""

    async def work() -> None:
        log = MemoryLog(lambda: NOW)
        floor = Floor(log)
        floor.allowed.set()
        intake = Intake(log, lambda: NOW, ignore_failure)
        assert await intake.accept(floor, queued(1, 1, 2), "lines", Limits()) == IngestResult(
            2, 1, []
        )
        assert await intake.accept(floor, queued(2, 3), "lines", Limits()) == IngestResult(1, 1, [])
        floor.allowed.clear()
        again = asyncio.create_task(intake.accept(floor, queued(1, 2, 3), "lines", Limits()))
        await until(lambda: len(floor.asked) == 3)
        assert not again.done()
        floor.allowed.set()
        assert await again == IngestResult(0, 3, [])
        assert log.head(CLIENT).number == 2

    run(work())


@pytest.mark.parametrize("body", [b"", b"\n \n", b"nope", b"{}\n[]"])
def test_a_request_without_valid_events_stores_nothing(body: bytes) -> None:
    """The request does not wait for the fold, and its response has only the verdicts."""

    async def work() -> None:
        log = MemoryLog(lambda: NOW)
        floor = Floor(log)
        result = await Intake(log, lambda: NOW, ignore_failure).accept(
            floor, body, "lines", Limits()
        )
        assert (result.accepted, result.duplicates) == (0, 0)
        assert len(result.rejected) == len(body.split())
        assert (log.head(CLIENT).number, floor.asked) == (0, [])

    run(work())


def test_a_rejected_event_does_not_affect_the_others() -> None:
    """The entry contains the accepted lines unchanged."""

    async def work() -> None:
        log = MemoryLog(lambda: NOW)
        floor = Floor(log)
        floor.allowed.set()
        body = queued(1) + b"nope\n" + queued(2)
        result = await Intake(log, lambda: NOW, ignore_failure).accept(
            floor, body, "lines", Limits()
        )
        assert (result.accepted, [one.index for one in result.rejected]) == (2, [1])
        (entry,) = log.read(CLIENT, 0, 10)
        assert entry.payload == queued(1, 2).strip()
        assert [one.id for one in entry.events or ()] == ["1", "2"]

    run(work())


def test_an_invalid_request_is_refused_before_anything_is_stored() -> None:
    """The body is a malformed array, or has too many events."""

    async def work() -> None:
        log = MemoryLog(lambda: NOW)
        intake = Intake(log, lambda: NOW, ignore_failure)
        with pytest.raises(NotAnObject):
            await intake.accept(Floor(log), msgspec.json.encode({}), "batch", Limits())
        with pytest.raises(TooLarge):
            await intake.accept(Floor(log), b"{}\n" * 10_001, "lines", Limits())
        assert log.head(CLIENT).number == 0

    run(work())


def test_only_failed_appends_count_as_log_failures() -> None:
    """A failed append is counted, but a floor that fails afterwards is not."""

    async def work() -> None:
        failures: list[int] = []
        log = FullLog(lambda: NOW)
        floor = Floor(log)
        with pytest.raises(Unavailable, match="cannot be written"):
            await Intake(log, lambda: NOW, lambda: failures.append(1)).accept(
                floor, queued(1), "lines", Limits()
            )
        assert (floor.asked, len(failures)) == ([], 1)
        well = MemoryLog(lambda: NOW)
        floor = Floor(well)
        floor.allowed.set()
        floor.error = Unavailable("begun anew")
        with pytest.raises(Unavailable, match="begun anew"):
            await Intake(well, lambda: NOW, lambda: failures.append(1)).accept(
                floor, queued(1), "lines", Limits()
            )
        assert (well.head(CLIENT).number, len(failures)) == (1, 1)

    run(work())


def test_a_thousand_verdicts_are_listed_and_the_rest_counted() -> None:
    """No accepted event is lost."""

    async def work() -> None:
        log = MemoryLog(lambda: NOW)
        floor = Floor(log)
        floor.allowed.set()
        body = b"nope\n" * 2500 + queued(1)
        result = await Intake(log, lambda: NOW, ignore_failure).accept(
            floor, body, "lines", Limits()
        )
        assert (result.accepted, result.refused) == (1, 2500)
        assert (len(result.rejected), result.more_rejected) == (MAX_VERDICTS, 1500)
        assert b'"moreRejected":1500' in msgspec.json.encode(result)

    run(work())


def test_many_requests_of_one_client_do_not_delay_another_client() -> None:
    """Another client's request waits as long for twenty requests as for one."""

    async def turns(crowd: int) -> int:
        log = MemoryLog(lambda: NOW)
        crowded, other = Floor(log), Floor(log)
        other.client = CLIENT + 1
        intake = Intake(log, lambda: NOW, ignore_failure)
        body = queued(*range(3000))
        decoding: set[object] = set()
        most = 0

        async def take_body(floor: Floor) -> None:
            await intake.accept(floor, body, "lines", Limits())

        tasks = [asyncio.create_task(take_body(crowded)) for _ in range(crowd)]
        tasks.append(asyncio.create_task(take_body(other)))
        while not other.asked:
            await asyncio.sleep(0)
            assert not tasks[-1].done(), "it waits to be folded"
            decoding = {task for task in tasks if is_suspended_in(task, "decode")}
            most = max(most, len(decoding))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return most

    async def work() -> None:
        assert await turns(1) <= 2
        assert await turns(20) <= 2

    run(work())


def is_suspended_in(task: asyncio.Task[None], name: str) -> bool:
    """Return whether a task is suspended in a coroutine of that name."""
    at: Any = task.get_coro()
    while at is not None and hasattr(at, "cr_await"):
        if at.cr_code.co_name == name:
            return True
        at = at.cr_await
    return False


def test_a_cancelled_request_passes_its_turn_on() -> None:
    """This applies while the request waits, and after it has got its turn."""

    async def work() -> None:
        log = MemoryLog(lambda: NOW)
        floor = Floor(log)
        floor.allowed.set()
        intake = Intake(log, lambda: NOW, ignore_failure)
        tasks = [
            asyncio.create_task(
                # several slices of decoding each, so that none is done after one turn
                intake.accept(floor, queued(*range(n * 9000, n * 9000 + 9000)), "lines", Limits())
            )
            for n in range(5)
        ]
        await asyncio.sleep(0)
        for number in (0, 2, 3):
            tasks[number].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(one, IngestResult) for one in results] == [
            False,
            True,
            False,
            False,
            True,
        ]
        assert (await intake.accept(floor, queued(99_999), "lines", Limits())).accepted == 1

    run(work())


def test_a_client_can_use_at_most_half_of_the_places() -> None:
    """The client's next request is refused at once, and another client's is not."""
    admission = Admission(4)
    with admission.admit(ACME), admission.admit(ACME):
        with pytest.raises(Busy, match="send this again"), admission.admit(ACME):
            pass
        with admission.admit(OTHER):
            assert admission.requests == 3
    with admission.admit(ACME):
        assert admission.requests == 1


def test_a_place_is_freed_however_its_request_ends() -> None:
    """The request's bytes are freed, too."""
    admission = Admission(2, max_bytes=1000)
    with pytest.raises(Busy), admission.admit(ACME) as place:
        place.hold(501)
    assert (admission.requests, admission.size) == (0, 0)


def test_unfinished_uploads_of_one_client_leave_room_for_the_others() -> None:
    """A body counts the bytes received, and not its declared size."""
    admission = Admission(1000, max_bytes=1000)
    with ExitStack() as uploads:
        for _ in range(500):
            uploads.enter_context(admission.admit(ACME)).hold(1)
        with admission.admit(OTHER) as place:
            place.hold(500)
        with pytest.raises(Busy), admission.admit(ACME):
            pass
    with admission.admit(ACME) as place:
        place.hold(500)
        with pytest.raises(Busy):
            place.hold(1)


def test_nothing_is_admitted_while_the_projections_lag_behind() -> None:
    """The projections' backlog is in memory.

    It is checked only if it had no room at the last write.
    """

    class FakeBacklog:
        may_be_full = True
        full = True

        def is_full(self) -> bool:
            return self.full

    backlog = FakeBacklog()
    admission = Admission(2, backlog)
    with pytest.raises(Busy), admission.admit(ACME):
        pass
    assert admission.requests == 0
    backlog.full = False
    with admission.admit(ACME):
        assert admission.requests == 1
    backlog.may_be_full, backlog.full = False, True
    with admission.admit(ACME):
        assert admission.requests == 1


@settings(max_examples=tries(100))
@given(st.lists(st.tuples(st.sampled_from([ACME, OTHER, THIRD]), st.integers(1, 90)), max_size=25))
def test_all_requests_are_served_within_the_limits(requests: list[tuple[int, int]]) -> None:
    """No client holds more than half, and a client's requests keep their order."""
    memory = DecodedMemory(100)
    held = {ACME: 0, OTHER: 0, THIRD: 0}
    begun: list[tuple[int, int]] = []

    async def request(number: int, client: int, size: int) -> None:
        async with memory.reserve(client, size):
            begun.append((client, number))
            held[client] += min(size, 50)
            assert sum(held.values()) <= memory.used <= 100
            assert max(held.values()) <= 50
            for _ in range(number % 4):
                await asyncio.sleep(0)
            held[client] -= min(size, 50)

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number, (client, size) in enumerate(requests):
                tasks.create_task(request(number, client, size))

    asyncio.run(work())
    assert len(begun) == len(requests)
    for client in held:
        numbers = [number for owner, number in begun if owner == client]
        assert numbers == sorted(numbers)
    assert memory.used == 0


def test_a_client_at_its_half_does_not_delay_the_others() -> None:
    """Its next request waits, and another client's does not."""

    async def work() -> None:
        memory = DecodedMemory(100)
        async with AsyncExitStack() as held:
            await held.enter_async_context(memory.reserve(ACME, 1_000_000))
            waiting = asyncio.ensure_future(held.enter_async_context(memory.reserve(ACME, 1)))
            await held.enter_async_context(memory.reserve(OTHER, 50))
            assert not waiting.done()
            waiting.cancel()
            await asyncio.wait([waiting])
        assert memory.used == 0
        async with memory.reserve(ACME, 50):
            assert memory.used == 50

    asyncio.run(work())


def test_a_canceled_request_gives_its_place_to_the_next() -> None:
    """A large request that waited and left does not keep a smaller one waiting."""

    async def work() -> None:
        memory = DecodedMemory(100)
        async with AsyncExitStack() as held:
            await held.enter_async_context(memory.reserve(ACME, 50))
            await held.enter_async_context(memory.reserve(OTHER, 30))
            large = asyncio.ensure_future(held.enter_async_context(memory.reserve(THIRD, 40)))
            await asyncio.sleep(0)
            small = asyncio.ensure_future(held.enter_async_context(memory.reserve(THIRD, 20)))
            await asyncio.sleep(0)
            large.cancel()
            await small
            assert memory.used == 100
        assert memory.used == 0

    asyncio.run(work())


class AdmissionModel(RuleBasedStateMachine):
    """Requests begin, grow and end in any order.

    The totals are those of the requests in progress.
    """

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(6, max_bytes=100)
        self.open: list[tuple[int, AdmittedRequest, ExitStack]] = []

    @rule(client=st.sampled_from([ACME, OTHER, THIRD]))
    def begin(self, client: int) -> None:
        mine = sum(owner == client for owner, _, _ in self.open)
        stack = ExitStack()
        try:
            place = stack.enter_context(self.admission.admit(client))
        except Busy:
            assert len(self.open) == 6 or mine == 3
        else:
            assert mine < 3
            self.open.append((client, place, stack))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), size=st.integers(0, 60))
    def grow(self, data: st.DataObject, size: int) -> None:
        client, place, _ = data.draw(st.sampled_from(self.open))
        mine = sum(one.size for owner, one, _ in self.open if owner == client)
        everything = sum(one.size for _, one, _ in self.open)
        if mine + size <= 50 and everything + size <= 100:
            place.hold(size)
        else:
            with pytest.raises(Busy):
                place.hold(size)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.open) - 1))
        self.open.pop(index)[2].close()

    @invariant()
    def totals_match_the_open_requests(self) -> None:
        assert self.admission.requests == len(self.open)
        assert self.admission.size == sum(place.size for _, place, _ in self.open)


TestAdmission = AdmissionModel.TestCase
