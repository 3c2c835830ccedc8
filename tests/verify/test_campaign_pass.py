"""Tests of the recomputed campaigns: their services, and the days on which they were active."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from floorcast.statistics.visibility import Moment
from floorcast.verify.verification import verify
from tests.search import tries
from tests.verify.recomputing import NOW, Event, Rows, call, event, log_entries, rows_of_log
from tests.verify.shuffled_campaigns import Arrivals, campaign_arrivals

DAY = 86_400


def rows_of(*events: Event) -> list[dict[str, Any]]:
    """Return the campaigns after events that arrived in this order."""
    return rows_of_log(log_entries((NOW, one) for one in events), NOW)["campaign/stats"]


def services_of(*events: Event) -> dict[int, int | None]:
    """Return the campaigns' services after events that arrived in this order."""
    return {row["campaignId"]: row["serviceId"] for row in rows_of(*events)}


def by_service(rows: Rows) -> dict[str, dict[str, Any]]:
    """Return the services' rows, whose order is that in which events first named the services."""
    return {row["serviceId"]: row for row in rows["service/stats"]}


def test_the_service_is_that_of_the_call_that_began_first() -> None:
    """The order of arrival does not matter, neither that of the calls nor that of their events."""
    first = call("start", 1, 1, service=10, direction="OUTBOUND")
    named = call("end", 9, 1, campaign=5)
    second = call("start", 2, 2, service=20, direction="OUTBOUND", campaign=5)
    assert services_of(first, named, second) == {5: 10}
    assert services_of(second, named, first) == {5: 10}
    assert services_of(second, first, named) == {5: 10}


def test_a_reported_service_is_kept() -> None:
    """A call never changes a service that a campaign event names, not even an earlier call."""
    report = event("campaign.update", 5, {"campaign": 5, "service": 30})
    start = call("start", 1, 1, service=10, direction="OUTBOUND", campaign=5)
    assert services_of(report, start) == services_of(start, report) == {5: 30}


def test_each_campaign_that_a_call_has_named_is_active() -> None:
    """A campaign stays active while a call that has moved on to another one has steps."""
    yesterday = call("start", -DAY, 1, service=10, direction="OUTBOUND", campaign=5)
    moved, answer = call("update", 1 - DAY, 1, campaign=6), call("answer", 0, 1)
    assert services_of(yesterday, moved, answer) == {5: 10, 6: 10}
    assert services_of(answer, moved, yesterday) == {5: 10, 6: 10}


@settings(max_examples=tries(100), deadline=None)
@given(campaign_arrivals())
def test_campaigns_do_not_depend_on_the_order_of_arrival(arrivals: Arrivals) -> None:
    """Campaigns are the same if their events arrive late, and the fold agrees with them."""
    in_order, shuffled, now = arrivals
    rows, others = rows_of_log(in_order, now), rows_of_log(shuffled, now)
    assert rows["campaign/stats"] == others["campaign/stats"]
    assert by_service(rows) == by_service(others)
    assert verify(1, shuffled, Moment(now)).differences == []
