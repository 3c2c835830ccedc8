"""Tests that the order in which events arrive affects neither the fold nor the recomputation."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from hypothesis import HealthCheck, given, settings

from floorcast.model.inbound import InboundEvent
from floorcast.statistics.visibility import Moment
from floorcast.verify.verification import verify
from tests.search import tries
from tests.verify.recomputing import NOON, Rows, agent_of, log_entries, rows_of_log, state
from tests.verify.shuffled_floors import KINDS, TOO_LATE, Arrivals, arrivals

PATIENT = settings(
    max_examples=tries(100),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TAKEN = {info.tag for info in map(msgspec.inspect.type_info, get_args(InboundEvent))}  # type: ignore[attr-defined]  # each is a tagged struct
UNFOLDED = {kind for kind in KINDS if not {f"call.{kind}", f"agent.{kind}"} & TAKEN}
OF_EVERY_INTERVAL = {"name", "serviceId", "start", "end", "complete"}


def figures(rows: Rows) -> dict[str, list[dict[str, Any]]]:
    found = dict(rows)
    intervals = found["service/stats/intervals"]
    found["service/stats/intervals"] = [
        row for row in intervals if any(row[name] for name in row.keys() - OF_EVERY_INTERVAL)
    ]
    return found


@PATIENT
@given(arrivals())
def test_late_events_give_the_same_figures_as_events_in_order(floor: Arrivals) -> None:
    """Events up to a quarter of an hour late give the same figures as events in order."""
    shuffled, in_order = (
        rows_of_log(floor.shuffled, floor.now),
        rows_of_log(floor.in_order, floor.now),
    )
    assert figures(shuffled) == figures(in_order)


@PATIENT
@given(arrivals([kind for kind in KINDS if kind not in UNFOLDED]))
def test_the_fold_agrees_in_any_order_of_arrival(floor: Arrivals) -> None:
    """The fold and the recomputation agree if events of any kind are repeated and delayed."""
    assert verify(1, floor.shuffled, Moment(floor.now)).differences == []


@PATIENT
@given(arrivals([kind for kind in KINDS if kind not in UNFOLDED], TOO_LATE))
def test_the_fold_agrees_if_events_are_too_late(floor: Arrivals) -> None:
    """The fold and the recomputation agree if events arrive later than a late event may."""
    assert verify(1, floor.shuffled, Moment(floor.now)).differences == []


def test_a_skipped_preview_returns_to_not_ready_without_a_reason() -> None:
    """The fold and the recomputation count the time as Other, not as the earlier reason."""
    events = [
        state("NOT_READY", 0, service=10, reason="LUNCH"),
        state("PREVIEW_DIAL_OFFERED", 60),
        state("PREVIEW_DIAL_SKIPPED", 90),
    ]
    entries = log_entries((one.at, one) for one in events)
    row = agent_of(rows_of_log(entries, NOON + 100_000), "Ann")
    assert (row["notReadyLunchDuration"], row["notReadyOtherDuration"]) == (60, 10)
    assert verify(1, entries, Moment(NOON + 100_000)).differences == []


def test_a_service_beside_other_services_is_one_of_them() -> None:
    """The fold and the recomputation log the agent in to every service that its event names."""
    events = [
        state("IN_CALL", 0, service=20, services=[10]),
        state("READY", 60, service=30, services=[10, 20]),
    ]
    entries = log_entries((one.at, one) for one in events)
    assert verify(1, entries, Moment(NOON + 100_000)).differences == []
