"""Tests that campaign statistics list today's campaigns and their data."""

from __future__ import annotations

from itertools import permutations

import pytest

from floorcast.floor.floor import Floor
from floorcast.model.errors import InvalidParameter
from floorcast.model.inbound import InboundEvent
from floorcast.statistics.campaign_stats import campaign_statistics
from floorcast.statistics.requests import CampaignFilter, ServiceFilter
from tests.floor.random_floors import call, event, fold_all, new_floor
from tests.statistics.floors import as_json, moment_at, only, visible

DAY = 24 * 3600


def day_of(*events: InboundEvent) -> Floor:
    floor = new_floor()
    fold_all(floor, list(events))
    return floor


def update(seconds: float, campaign: int | str = 5, **data: object) -> InboundEvent:
    return event("campaign.update", seconds, campaign=campaign, **data)


def listed(floor: Floor, seconds: float, wanted: CampaignFilter = CampaignFilter()) -> list[int]:  # noqa: B008 — a value
    rows = campaign_statistics(visible(floor), wanted, moment_at(seconds)).all()
    return [row.campaign_id for row in rows]


def test_a_campaign_updated_or_called_today_is_listed() -> None:
    """A campaign that was active only yesterday is not listed."""
    floor = day_of(
        update(-DAY, 1, service=10),
        update(-DAY, 2, service=10),
        update(0, 3, service=10),
        call("call.start", 10, service=10, direction="OUTBOUND", campaign=2),
    )
    assert listed(floor, 20) == [2, 3]
    assert listed(floor, 20 - DAY) == [1, 2, 3]


def test_a_call_whose_campaign_only_its_end_names_counts() -> None:
    """A campaign that only a ``call.end`` names is listed with the call's service."""
    floor = day_of(
        call("call.start", 0, service=20, direction="OUTBOUND"), call("call.end", 5, campaign=7)
    )
    row = only(campaign_statistics(visible(floor), CampaignFilter(), moment_at(9)).all())
    assert (row.campaign_id, row.service_id) == (7, 20)


@pytest.mark.parametrize("state", ["DEACTIVATED", "SCHEDULED_UNBUILT", "READY_UNBUILT"])
def test_campaigns_that_are_not_built_are_omitted(state: str) -> None:
    """A campaign that is not built is left out, but selecting it in a filter is not an error."""
    floor = day_of(update(0, 5, service=10, state=state))
    assert listed(floor, 1) == []
    assert listed(floor, 1, CampaignFilter(frozenset({5}))) == []


def test_unknown_counts_are_omitted() -> None:
    """Unknown counts are omitted instead of zero, until a later report adds them."""
    floor = day_of(update(0, service=10, uploaded=15, timezones={"ET": 5, "GU": 1}))
    row = as_json(only(campaign_statistics(visible(floor), CampaignFilter(), moment_at(1)).all()))
    assert list(row) == ["timezoneBreakdown", "campaignId", "serviceId", "uploaded"]
    zones = [(one["timezone"], one["count"]) for one in row["timezoneBreakdown"]]
    assert [name for name, _ in zones] == [
        "AL",
        "AT",
        "CHT",
        "CT",
        "ET",
        "HI",
        "MT",
        "PT",
        "SAFE",
        "UK",
        "GU",
    ]
    assert dict(zones)["ET"] == 5
    fold_all(floor, [update(2, completed=4, loaded=11, remaining=0)], begin=9)
    row = as_json(only(campaign_statistics(visible(floor), CampaignFilter(), moment_at(3)).all()))
    assert list(row)[3:] == ["loaded", "uploaded", "remaining", "completed"]
    assert (row["remaining"], row["completed"]) == (0, 4)


def test_campaigns_are_found_by_id_by_service_and_by_call_center() -> None:
    """Each kind of id selects campaigns. Call center 1 has both services here."""
    floor = day_of(update(0, 1, service=10), update(0, 2, service=20), update(0, 3, service=77))
    assert listed(floor, 1) == [1, 2, 3]
    assert listed(floor, 1, CampaignFilter(frozenset({3, 1}))) == [1, 3]
    assert listed(floor, 1, CampaignFilter(of=ServiceFilter(frozenset({20})))) == [2]
    center = ServiceFilter(call_centers=frozenset({1}))
    assert listed(floor, 1, CampaignFilter(of=center)) == [1, 2]


def test_an_unknown_or_hidden_id_is_an_error() -> None:
    """The error names the id, and does not reveal whether the id exists."""
    floor = day_of(update(0, 1, service=10), update(0, 3, service=77))
    limited = visible(floor, limits=frozenset({(1, 1)}))
    for number in (3, 99):
        with pytest.raises(InvalidParameter, match=f"filter.campaign names {number}"):
            campaign_statistics(limited, CampaignFilter(frozenset({1, number})), moment_at(1))
    rows = campaign_statistics(limited, CampaignFilter(), moment_at(1)).all()
    assert [row.campaign_id for row in rows] == [1]


def test_an_older_name_that_arrives_later_does_not_count() -> None:
    """A campaign has its newest name in any order of arrival. An empty name is no name."""
    reports = [update(1, name="Spring"), update(5, name="Autumn"), update(9, name="")]
    for order in permutations(reports):
        rows = campaign_statistics(visible(day_of(*order)), CampaignFilter(), moment_at(9)).all()
        assert [row.name for row in rows] == ["Autumn"]


def test_a_campaign_has_the_name_that_a_source_gave_it() -> None:
    """The name comes from an event or a report, and is omitted if neither has one."""
    floor = day_of(update(0, 5), update(0, "Spring"), update(1, 6, name="Autumn"))
    rows = campaign_statistics(visible(floor), CampaignFilter(), moment_at(2)).all()
    names = {row["campaignId"]: row.get("name") for row in map(as_json, rows)}
    assert names == {5: None, 6: "Autumn", 1_000_000_001: "Spring"}
