"""Tests of open calls, which are bounded and restored from the spool."""

from __future__ import annotations

import msgspec
import pytest

from floorcast.connectors.livevox import state as module
from floorcast.connectors.livevox.state import MAX_AGE_MS, MAX_ENDED, FeedState, SentCampaign


def test_stored_calls_are_restored() -> None:
    """Each row is restored from JSON."""
    state = FeedState()
    state.call(1, "a", 5).phone = "555"
    state.agent("7").login = "A7"
    state.store_campaign("3", SentCampaign(counts={"loaded": 1}, at=5))
    state.end(2, "b")
    rows = state.take_changes()
    assert state.take_changes() == {}
    again = FeedState()
    for (kind, name), row in rows.items():
        if row is not None:
            again.restore(kind, name, msgspec.json.encode(row))
    assert (again.calls, again.agents, again.campaigns, again.ended) == (
        state.calls,
        state.agents,
        state.campaigns,
        state.ended,
    )


def test_the_number_of_remembered_ended_calls_is_bounded() -> None:
    """The row of a forgotten call is deleted."""
    state = FeedState()
    for number in range(MAX_ENDED + 1):
        state.end(number, "s")
    assert len(state.ended) == MAX_ENDED
    assert state.take_changes()["ended", "0/s"] is None
    assert not state.has_ended(0, "s")


def test_a_call_without_an_end_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is forgotten when it is older than the feeds' reach or there are too many calls."""
    state = FeedState()
    state.call(1, "s", 0)
    state.call(2, "s", MAX_AGE_MS + 1)
    assert list(state.calls) == ["2/s"]
    monkeypatch.setattr(module, "MAX_CALLS", 2)
    for number in (3, 4):
        state.call(number, "s", MAX_AGE_MS + 1)
    assert list(state.calls) == ["3/s", "4/s"]
