"""Tests that waiting calls are listed by their waits, longest first."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

from floorcast.floor.floor import Floor
from floorcast.model.inbound import InboundEvent
from floorcast.statistics.waiting_calls import waiting_calls
from tests.floor.random_floors import agent, call, fold_all, new_floor
from tests.statistics.floors import as_json, moment_at, only, scopes, visible


def day_of(*events: InboundEvent) -> Floor:
    floor = new_floor()
    fold_all(floor, list(events))
    return floor


def waiting(floor: Floor, seconds: float, *services: int) -> list[str]:
    """Return the start of each wait in seconds after noon."""
    rows = waiting_calls(scopes(floor, *services), moment_at(seconds)).all()
    return [str(int(row.time_stamp) - moment_at(0).now // 1000) for row in rows]


def test_calls_wait_until_they_are_answered_or_end() -> None:
    """The longest waits come first, and a filter selects services."""
    floor = day_of(
        *(call("call.start", 0, n, service=10, direction="INBOUND") for n in (1, 2, 3, 4)),
        call("call.queue", 9, 1),
        call("call.queue", 5, 2),
        call("call.queue", 7, 3),
        call("call.queue", 3, 4, service=20),
        call("call.answer", 11, 3),
    )
    assert waiting(floor, 20) == ["3", "5", "9"]
    assert waiting(floor, 20, 10) == ["5", "9"]
    fold_all(floor, [call("call.end", 12, 2)], begin=50)
    assert waiting(floor, 20, 10) == ["9"]


def test_a_call_on_hold_does_not_wait() -> None:
    """A call on hold is not waiting, although the reference's name for the method suggests it."""
    floor = day_of(
        call("call.queue", 0, service=10),
        agent("IN_CALL", 1, service=10, call={"transactionId": 1, "sessionId": "S1"}),
        agent("AGENT_HOLD", 2),
    )
    assert waiting(floor, 5) == []


def test_the_wait_restarts_when_a_call_changes_queue() -> None:
    """When a call moves to another service's queue, a new wait begins."""
    floor = day_of(call("call.queue", 0, service=10), call("call.queue", 30, service=20))
    assert waiting(floor, 40, 10) == []
    assert waiting(floor, 40, 20) == ["30"]


def test_a_quiet_call_does_not_wait() -> None:
    """A quiet call is not listed, so a call that was lost long ago does not appear."""
    floor = day_of(call("call.queue", 0, service=10))
    assert waiting(floor, 4 * 3600 - 1) == ["0"]
    assert waiting(floor, 4 * 3600) == []


def test_a_row_shows_the_customer() -> None:
    """A row has the customer's number and full name, and the requested skill or the service."""
    floor = day_of(
        call(
            "call.start",
            0,
            service=10,
            direction="OUTBOUND",
            phoneDialed="650",
            callerId="800",
            consumer={"firstName": "Will", "lastName": "Smith"},
        ),
        call("call.queue", 1, skill="French", priority=308),
    )
    row = as_json(only(waiting_calls(scopes(floor), moment_at(2)).all()))
    assert {name: row[name] for name in ("phone", "name", "agentSkill", "priority")} == {
        "phone": "650",
        "name": "Will Smith",
        "agentSkill": "French",
        "priority": "308",
    }


def test_unknown_members_are_null() -> None:
    """A call without a start or a known service is visible only to full users."""
    floor = day_of(call("call.queue", 1))
    row = as_json(only(waiting_calls(scopes(floor), moment_at(2)).all()))
    known = {name: value for name, value in row.items() if value is not None}
    assert known == {"timeStamp": str(moment_at(1).now // 1000)}
    assert (
        waiting_calls(visible(floor, limits=frozenset({(1, 1)})).scopes(), moment_at(2)).all() == []
    )


def test_the_calls_of_all_floors_are_one_queue() -> None:
    """A parent's user sees the child's calls, too, and all calls are ordered by wait."""
    one = day_of(call("call.queue", 0, service=10), call("call.queue", 20, 2, service=10))
    other = day_of(call("call.queue", 10, service=20))
    rows = waiting_calls(visible(one, other).scopes(), moment_at(30)).all()
    assert [row.service_id for row in rows] == ["10", "20", "10"]


def test_the_rows_of_an_answer_are_freed_as_it_is_read() -> None:
    """No step frees all of them, because that takes as long as there are calls."""
    floor = day_of(*(call("call.queue", 0, n, service=10) for n in range(1, 3001)))
    tracemalloc.start()
    try:
        sizes = [
            tracemalloc.get_traced_memory()[0]
            for _ in waiting_calls(scopes(floor), moment_at(3100))
        ]
        sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    freed = [before - after for before, after in pairwise(sizes)]
    assert max(freed) < max(sizes) // 4
