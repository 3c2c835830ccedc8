"""Tests that the active campaigns and their services do not depend on the order of arrival."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from floorcast.floor.calls import Key
from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState, encode_call, from_snapshot, snapshot_parts
from floorcast.model.inbound import InboundEvent
from floorcast.projection.refold import FoldLimits, Refold
from floorcast.verify.verification import StoredEntry
from tests.floor.random_floors import call, event, fold_all, new_floor
from tests.search import tries
from tests.verify.shuffled_campaigns import Arrivals, campaign_arrivals

FIRST = call("call.start", 1, 1, service=10, direction="OUTBOUND")
SECOND = call("call.start", 2, 2, service=20, direction="OUTBOUND", campaign=5)
NAMED = call("call.end", 9, 1, campaign=5)


def services_of(*events: InboundEvent) -> dict[int, int | None]:
    """Return the campaigns' services after events that arrived in this order."""
    floor = new_floor()
    fold_all(floor, list(events))
    return {number: one.service for number, one in sorted(floor.state.campaigns.items())}


def restarted(floor: Floor) -> Floor:
    """Return the floor as a restart reads it from a snapshot."""
    return Floor(from_snapshot(list(snapshot_parts(floor.snapshot_state()))))


@pytest.mark.parametrize("events", [(FIRST, NAMED, SECOND), (SECOND, NAMED, FIRST)])
def test_the_service_is_that_of_the_call_that_began_first(events: Sequence[InboundEvent]) -> None:
    """The campaign has the service of its first call, even if the start of that call is late."""
    assert services_of(*events) == {5: 10}


def test_of_calls_that_began_together_the_one_with_the_lowest_id_counts() -> None:
    """Calls with the same time have an order that does not depend on their arrival."""
    other = call("call.start", 2, 1, service=10, direction="OUTBOUND", campaign=5)
    assert services_of(SECOND, other) == services_of(other, SECOND) == {5: 10}


def test_a_correction_of_the_first_call_moves_its_campaign() -> None:
    """A campaign follows its first call to the service that a correction names."""
    corrected = call("call.update", 5, 2, service=30)
    later = call("call.start", 3, 1, service=10, direction="OUTBOUND", campaign=5)
    assert services_of(SECOND, later, corrected) == services_of(corrected, later, SECOND) == {5: 30}


def test_a_call_counts_for_each_campaign_that_it_has_named() -> None:
    """A call that has moved to another campaign still counts for the former one."""
    moved = call("call.update", 5, 2, campaign=6)
    assert services_of(SECOND, moved) == services_of(moved, SECOND) == {5: 20, 6: 20}


def test_a_reported_service_takes_precedence_over_calls() -> None:
    """No call changes the service that a report names, not even a call that began before it."""
    report = event("campaign.update", 5, campaign=5, service=30)
    assert services_of(SECOND, report) == services_of(report, SECOND) == {5: 30}


def test_a_service_from_an_earlier_release_stays() -> None:
    """A snapshot of an earlier release does not say which call a campaign's service is from."""
    floor = new_floor()
    fold_all(floor, [SECOND])
    floor.state.campaigns[5] = replace(floor.state.campaigns[5], first_call=None)
    floor = restarted(floor)
    fold_all(floor, [call("call.start", 3, 3, service=10, direction="OUTBOUND", campaign=5)], 3)
    assert floor.state.campaigns[5].service == 20


@settings(max_examples=tries(150), deadline=None)
@given(campaign_arrivals(), st.sets(st.integers(2, 13)))
def test_campaigns_do_not_depend_on_the_order_of_arrival(
    arrivals: Arrivals, restarts: set[int]
) -> None:
    """Campaigns are the same if events arrive late and the server restarts in between."""
    in_order, shuffled, now = arrivals
    assert campaigns_after(in_order, now) == campaigns_after(shuffled, now, restarts)


def campaigns_after(
    entries: Sequence[StoredEntry], now: int, restarts: Collection[int] = ()
) -> list[tuple[object, ...]]:
    """Return every campaign's figures and where it is listed, at ``now`` (ms)."""
    refold, stored = Refold(FloorState(client=1), FoldLimits()), dict[Key, bytes]()
    for entry in entries:
        refold.fold_entry(*entry)
        if entry.number in restarts:
            stored |= {one.key: encode_call(one) for one in refold.evicted_calls()}
            find = partial(_found, stored)
            refold = Refold(restarted(refold.floor).state, FoldLimits(), find)
    refold.floor.begin_entry(entries[-1].number + 1, now * 10_000)
    listed, name = refold.floor.active_campaigns.services_of, refold.floor.state.directory.campaigns
    campaigns = sorted(refold.floor.state.campaigns.values(), key=lambda one: one.id)
    return [
        (listed(one.id), name[one.id], replace(one, reported={}, first_call=None))
        for one in campaigns
    ]


def _found(stored: dict[Key, bytes], keys: Collection[Key]) -> dict[Key, bytes]:
    return {key: stored[key] for key in keys if key in stored}
