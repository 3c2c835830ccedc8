"""Tests of the limits in time at which a call changes hands or stops counting."""

from __future__ import annotations

from copy import copy

import pytest

from floorcast.floor.calls import Call, CompactedSteps
from floorcast.floor.queue_segments import ANSWER, END, QUEUE, START, QueueSegment, Step
from tests.floor.random_floors import agent, call, fold_all, new_floor

MIDNIGHT, HOUR = 86_400_000, 3_600_000
OTHER = {"transactionId": 2, "sessionId": "S2"}


@pytest.mark.parametrize(
    ("joined", "last_event", "over"),
    [
        (MIDNIGHT - 1, MIDNIGHT - 1, True),
        (MIDNIGHT, MIDNIGHT, False),
        (MIDNIGHT - 9 * HOUR, MIDNIGHT - 4 * HOUR + 1, True),
        (MIDNIGHT - 9 * HOUR, MIDNIGHT - 4 * HOUR, False),
    ],
)
def test_a_call_waits_over_midnight_if_it_joined_before_and_was_not_quiet(
    joined: int, last_event: int, over: bool
) -> None:
    """A call that joins at midnight is of the new day. It is quiet after four hours."""
    waiting = Call(1, "S1", segments=[QueueSegment(10, joined=joined)], last_event=last_event)
    assert waiting.waited_at_midnight(MIDNIGHT, 4 * HOUR) is over


def test_an_agent_can_leave_a_call_in_the_millisecond_of_its_answer() -> None:
    """If both events have the same time, the one that was recorded last decides."""
    floor = new_floor()
    fold_all(
        floor,
        [call("call.answer", 10, agent=7), agent("IN_CALL", 10, 7, service=10, call=OTHER)],
    )
    assert not floor.call_table.calls[1, "S1"].connected


@pytest.mark.parametrize("first", ["RPC", "WPC"])
def test_the_last_recorded_term_code_of_a_millisecond_counts(first: str) -> None:
    """Term codes of the same time follow the order of the log."""
    floor = new_floor()
    codes = [first, "RPC_INCOMPLETE"]
    fold_all(floor, [call("call.disposition", 10, termCode=code, agent=7) for code in codes])
    disposition = floor.call_table.calls[1, "S1"].disposition
    assert disposition is not None
    assert disposition.code == "RPC_INCOMPLETE"


def test_a_term_code_in_the_millisecond_of_an_answer_is_on_its_service() -> None:
    """The agent has the call from that time on."""
    floor = new_floor()
    fold_all(
        floor,
        [
            call("call.queue", 1, service=10),
            call("call.answer", 2, agent=7),
            call("call.queue", 5, service=20),
            call("call.answer", 8, agent=7),
            call("call.disposition", 8, termCode="RPC", agent=7),
        ],
    )
    disposition = floor.call_table.calls[1, "S1"].disposition
    assert disposition is not None
    assert disposition.service == 20


def test_a_wrap_up_without_duration_is_not_kept() -> None:
    """A wrap-up that ends when it began follows no call."""
    floor = new_floor()
    named = {"transactionId": 1, "sessionId": "S1"}
    fold_all(
        floor,
        [
            agent("IN_CALL", 1, 7, service=10, call=named),
            agent("WRAP_UP", 5, 7),
            agent("READY", 5, 7),
        ],
    )
    assert floor.call_table.calls[1, "S1"].wrap_ups == ()


def test_a_call_stored_by_an_earlier_release_is_read() -> None:
    """Its steps are in order of arrival, with its starts and with steps after its end."""
    queued, ended = Step(3, QUEUE, None, None), Step(5, END, None, None)
    starts = [Step(2, START, 20, None), Step(1, START, 10, None)]
    known = QueueSegment(10, joined=3, left=5)
    old = Call(1, "S", [ended, *starts, queued, Step(9, ANSWER, None, 7)], [known], 10, 1, 5)
    old.upgrade()
    assert old.steps == [queued, ended]
    assert (old.declared, old.declared_at) == (10, 1)
    assert (known.lost, known.abandoned) == (True, True)
    before = copy(old)
    old.upgrade()
    assert old == before


@pytest.mark.parametrize(
    ("compacted", "answered", "first"),
    [
        (None, [None, 7, 9], 7),
        (None, [None], None),
        (CompactedSteps(5, first_answer=3), [7], 3),
        (CompactedSteps(5, first_answer=3), [], 3),
        (CompactedSteps(5), [None, 7], 7),
    ],
)
def test_the_first_answer_of_a_call(
    compacted: CompactedSteps | None, answered: list[int | None], first: int | None
) -> None:
    """The first answer may have been compacted, and otherwise is that of a segment."""
    segments = [QueueSegment(10, joined=at, answered=at) for at in answered]
    assert Call(1, "S1", segments=segments, compacted=compacted).first_answer == first
