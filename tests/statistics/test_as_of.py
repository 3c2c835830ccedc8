"""Tests that compute responses about the past in the same way as a worker process."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import msgspec
import pytest

from floorcast.model.errors import InvalidParameter
from floorcast.model.token import end_of_entry
from floorcast.projection.refold import FoldLimits
from floorcast.sqlite.checksums import add_checksum_function
from floorcast.statistics.answers import METHODS, Question
from floorcast.statistics.as_of import FloorPosition, PastAnswer, PastQuestion, answer_as_of
from floorcast.statistics.requests import ServiceFilter
from tests.real.nodes import Clock, NodeHarness, temporary_folder
from tests.real.sites import ACME, CHILD, event, ndjson


@pytest.fixture
def house() -> Iterator[NodeHarness]:
    """Yield a node that received two requests with a call each and took a snapshot in between."""
    with temporary_folder() as folder:
        one = NodeHarness(folder, Clock())
        for number in (1, 2):
            call = event("call.queue", number, transactionId=number, sessionId="s", service="Sales")
            one.take(ndjson([call]))
            one.close()
            one.clock.move(60)
            one.open()
        yield one
        one.end()


def asked(house: NodeHarness, entry: int, question: Question) -> bytes:
    """Return a request about the floor after an entry."""
    positions = [FloorPosition(ACME, end_of_entry(entry)), FloorPosition(CHILD, end_of_entry(1))]
    past = PastQuestion(
        folder=str(house.data),
        positions=positions,
        moment=house.clock.ticks // 10_000,
        limits=FoldLimits(),
        call_centers=None,
        listed=frozenset(),
        question=question,
    )
    return msgspec.msgpack.encode(past)


def answered(house: NodeHarness, entry: int, question: Question) -> PastAnswer:
    """Return the response to a request about the floor after an entry."""
    return msgspec.msgpack.decode(answer_as_of(asked(house, entry, question)), type=PastAnswer)


@pytest.mark.parametrize("method", list(METHODS))
def test_reusing_floors_changes_no_answer(house: NodeHarness, method: str) -> None:
    """A question about a past time has the same answer in any order of requests."""
    question = Question(method)  # type: ignore[arg-type]  # each of the methods' names
    first = {entry: answered(house, entry, question) for entry in (1, 2, 3)}
    for entry in (3, 3, 1, 2, 3, 2):
        assert answered(house, entry, question) == first[entry]


def test_the_newest_event_is_the_newest_at_that_time(house: NodeHarness) -> None:
    """``newest_event`` is when the event was recorded, or 0 if the log had only the site."""
    question = Question("service/stats")
    newest = [answered(house, entry, question).newest_event for entry in (1, 2, 3)]
    assert newest[0] == 0
    assert 0 < newest[1] < newest[2]


def test_an_error_does_not_affect_the_next_answer(house: NodeHarness) -> None:
    """An id that did not exist then is refused, and the cached floor stays valid."""
    before = answered(house, 3, Question("service/stats"))
    with pytest.raises(InvalidParameter, match=r"filter\.service names 77"):
        answered(house, 2, Question("service/stats", filter=ServiceFilter(frozenset({77}))))
    assert answered(house, 3, Question("service/stats")) == before


def test_an_unavailable_answer_has_the_first_possible_time(house: NodeHarness) -> None:
    """The refusal has the first tick that can be requested."""
    house.close()
    connection = apsw.Connection(str(house.data / "log.db"))
    connection.set_busy_timeout(5_000)  # the server also writes
    add_checksum_function(connection)
    connection.execute("UPDATE streams SET removed = 2 WHERE client = ?", (ACME,))
    connection.close()
    answer = answered(house, 1, Question("service/stats"))
    assert answer.body is None
    assert answer.since is not None
    assert answered(house, 3, Question("service/stats")).body is not None
    house.open()
