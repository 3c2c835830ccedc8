"""Tests of the format of a floor's snapshot, which must stay readable."""

from __future__ import annotations

import msgspec

from floorcast.floor.state import from_snapshot, snapshot_parts
from tests.floor.random_floors import PLAN, call, fold_all, new_floor


def test_members_keep_the_names_that_they_have_on_disk() -> None:
    """The stored names ``plan`` and ``legs`` are those of the previous release."""
    floor = new_floor()
    fold_all(floor, [call("call.queue", 1, service=10)])
    parts = list(snapshot_parts(floor.captured()))
    state, calls, *_ = map(msgspec.msgpack.decode, parts)
    assert msgspec.convert(state["plan"], type(PLAN)) == PLAN
    assert [one["legs"] for one in calls["calls"]] != [[]]
    assert from_snapshot(parts).config == PLAN
