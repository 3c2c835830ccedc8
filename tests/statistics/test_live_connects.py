"""Tests that live connects are the right-party contacts of the last half hour."""

from __future__ import annotations

from floorcast.floor.floor import Floor
from floorcast.model.inbound import InboundEvent
from floorcast.statistics.live_connects import live_connects
from tests.floor.random_floors import call, fold_all, new_floor
from tests.statistics.floors import moment_at, scopes


def day_of(*events: InboundEvent) -> Floor:
    floor = new_floor()
    fold_all(floor, list(events))
    return floor


def said(code: str, seconds: float, number: int = 1, service: int = 10) -> list[InboundEvent]:
    start = call("call.start", 0, number, service=service, direction="OUTBOUND")
    return [start, call("call.disposition", seconds, number, termCode=code)]


def totals(floor: Floor, seconds: float, *services: int) -> list[int]:
    answer = live_connects(scopes(floor, *services), moment_at(seconds))
    return [int(row.total) for row in answer.live_connects]


def test_six_intervals_of_five_minutes_end_now() -> None:
    """An interval includes its end but not its start."""
    floor = day_of(*said("RPC", 60), *said("RPC_INCOMPLETE", 61, 2), *said("RPC", 160, 3))
    assert totals(floor, 160) == [0, 0, 0, 0, 0, 3]
    assert totals(floor, 360) == [0, 0, 0, 0, 1, 2]
    assert totals(floor, 60 + 1799) == [3, 0, 0, 0, 0, 0]
    assert totals(floor, 60 + 1800) == [2, 0, 0, 0, 0, 0]
    ends = [
        int(row.time_stamp) for row in live_connects(scopes(floor), moment_at(360)).live_connects
    ]
    assert ends == [moment_at(360 - ago).now for ago in (1500, 1200, 900, 600, 300, 0)]


def test_only_right_party_contacts_count_once_per_call() -> None:
    """Only the latest disposition counts, so a call that becomes a wrong party is removed."""
    floor = day_of(
        *said("WPC", 10),
        *said("something", 10, 2),
        *said("RPC", 10, 3),
        *said("RPC", 10, 4),
        call("call.disposition", 20, 4, termCode="WPC"),
        *said("RPC", 10, 5, service=20),
        call("call.disposition", 400, 5, termCode="RPC"),
    )
    assert totals(floor, 500, 10) == [0, 0, 0, 0, 1, 0]
    assert totals(floor, 500, 20) == [0, 0, 0, 0, 0, 1]


def test_a_future_disposition_counts_from_its_own_time() -> None:
    """A disposition in the future is possible, because a source's clock may be ahead."""
    floor = day_of(*said("RPC", 100))
    assert sum(totals(floor, 99.999)) == 0
    assert sum(totals(floor, 100)) == 1
