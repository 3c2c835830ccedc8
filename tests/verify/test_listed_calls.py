"""Tests that the calls behind each figure are listed for verification."""

from __future__ import annotations

from floorcast.floor.view import FloorView
from floorcast.statistics.visibility import Moment
from floorcast.verify.listed_calls import listed_calls
from floorcast.verify.sums import CallListDigest
from tests.floor.random_floors import call, fold_all, new_floor, ticks
from tests.statistics.floors import moment_at


def listed(*names: tuple[int, str]) -> dict[str, int]:
    """Return the row for these calls."""
    found = CallListDigest()
    for name in names:
        found.add(name)
    return {"total": found.total, "sum": found.sum}


def test_calls_in_memory_and_out_of_it_are_listed() -> None:
    """Each service and figure has a row with the sum of its calls."""
    floor = new_floor()
    events = [call("call.queue", number, number, service=10) for number in range(4)]
    fold_all(floor, [*events, call("call.answer", 9, 1), call("call.end", 9, 2)])
    floor.begin_entry(90, ticks(300))
    list(floor.call_table.evict_ended(ticks(9_999) // 10_000))
    left = list(floor.call_table.evicted)
    assert [one.transaction for one in left] == [2]
    rows = {row.pop("name"): row for row in listed_calls(floor, left, Moment(moment_at(300).now))}
    every = [(number, f"S{number}") for number in range(4)]
    assert rows == {
        "10 totalOffered": listed(*every),
        "10 totalHandled": listed(every[1]),
        "10 totalCallsAnsweredWithinSLA": listed(every[1]),
        "10 totalAbandoned": listed(every[2]),
        "10 totalCallsAbandonedWithinSLA": listed(every[2]),
        "10 totalCallsInQueue": listed(every[0], every[3]),
        "10 callsWithAgent": listed(every[1]),
    }
    assert FloorView(floor).calls_at(10)


def test_the_checksum_identifies_the_calls() -> None:
    """The sum depends on which calls there are and how often, but not on their order."""
    one, other = (1, "S1"), (2, "S2")
    assert listed(one, other) == listed(other, one)
    assert listed(one) != listed(other)
    assert listed(one, one) != listed(one)
