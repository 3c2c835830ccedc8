"""Tests of the limit on live connects."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.floor import dispositions
from floorcast.floor.floor import Floor
from floorcast.floor.state import from_snapshot, snapshot_parts
from floorcast.model.inbound import InboundEvent
from tests.floor.random_floors import call, fold_all, new_floor, ticks
from tests.search import tries

LIMIT = 3


def coded(number: int, code: str = "RPC", seconds: float = 0) -> InboundEvent:
    """Return the event that sets a call's term code."""
    return call("call.disposition", seconds, number, service=10, termCode=code)


def connects(floor: Floor) -> list[str]:
    """Return the calls that are live connects."""
    return sorted(name for calls in floor.state.connects.values() for name in calls)


def again(floor: Floor) -> Floor:
    """Return the floor as a restart would continue it."""
    return Floor(from_snapshot(list(snapshot_parts(floor.snapshot_state()))))


@settings(max_examples=tries(60))
@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["RPC", "WPC", "restart"]))))
def test_a_floor_holds_a_limited_number_of_live_connects(steps: list[tuple[int, str]]) -> None:
    """A call for which there was no room can become one later. A call that is one stays one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispositions, "MAX_CONNECTS", LIMIT)
        floor, known = new_floor(), set[str]()
        for entry, (number, code) in enumerate(steps, 2):
            if code == "restart":
                floor = again(floor)
                continue
            fold_all(floor, [coded(number, code, entry)], entry)
            name = f"{number}/S{number}"
            known.discard(name)
            if code == "RPC" and len(known) < LIMIT:
                known.add(name)
            assert connects(floor) == sorted(known)


def test_live_connects_that_no_figure_shows_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are removed after 40 minutes."""
    monkeypatch.setattr(dispositions, "MAX_CONNECTS", LIMIT)
    floor = new_floor()
    fold_all(floor, [coded(number) for number in range(1, 6)])
    floor.begin_entry(20, ticks(45 * 60))
    fold_all(floor, [coded(9, seconds=2700)], begin=2600)
    assert connects(floor) == ["9/S9"]
