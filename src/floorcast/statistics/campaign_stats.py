"""Campaign statistics: what of each of today's campaigns is loaded, done and left."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from floorcast.floor.campaigns import Campaign
from floorcast.floor.floor import Floor
from floorcast.statistics.consistent_scan import ReadRows, Slices
from floorcast.statistics.requests import CampaignFilter
from floorcast.statistics.visibility import Moment, Visibility

__all__ = ["CampaignAnswer", "CampaignStatistics", "TimezoneCount", "campaign_statistics"]


class TimezoneCount(Struct, gc=False):
    """How many records of a campaign are in a time zone."""

    timezone: str
    count: int


class CampaignStatistics(Struct, rename="camel"):
    """One campaign; a count that is not known yet is left out."""

    timezone_breakdown: list[TimezoneCount]
    campaign_id: int
    service_id: int | None
    loaded: int | UnsetType = UNSET
    uploaded: int | UnsetType = UNSET
    remaining: int | UnsetType = UNSET
    completed: int | UnsetType = UNSET


class CampaignAnswer(Struct):
    """Today's campaigns."""

    stats: list[CampaignStatistics]


TIMEZONES = ("AL", "AT", "CHT", "CT", "ET", "HI", "MT", "PT", "SAFE", "UK")
WHEN_ANY = "GU"  # shown behind them when it has records
LEFT_OUT = {"DEACTIVATED", "SCHEDULED_UNBUILT", "READY_UNBUILT"}


def campaign_statistics(
    visibility: Visibility, wanted: CampaignFilter, moment: Moment
) -> Slices[CampaignStatistics]:
    """Today's campaigns that the filter asks for; raises InvalidParameter for an unknown id."""
    if wanted.campaigns:
        visibility.expect("campaign", wanted.campaigns, lambda *one: _is_seen(visibility, *one))
    readings = []
    for scope in visibility.scopes(wanted.of):
        found = [
            campaign
            for service in scope.services
            for campaign in scope.floor.at_work.of(service).values()
            if (not wanted.campaigns or campaign.id in wanted.campaigns)
            and is_of_today(campaign, scope.today(moment)[1])
            and (campaign.state or "").upper() not in LEFT_OUT
        ]
        readings.append(ReadRows([_row(one) for one in sorted(found, key=_number)]))
    return Slices(readings)


def is_of_today(campaign: Campaign, midnight: int) -> bool:
    """Updated today, or with a call today."""
    return campaign.last_update >= midnight or campaign.last_call >= midnight


def _is_seen(visibility: Visibility, floor: Floor, number: int) -> bool:
    state = floor.state
    campaign = state.campaigns.get(number)
    if campaign is None:
        return number in state.directory.campaigns and visibility.call_centers is None
    return visibility.sees_service(floor, campaign.service)


def _number(campaign: Campaign) -> int:
    return campaign.id


def _row(campaign: Campaign) -> CampaignStatistics:
    counts = campaign.timezones
    breakdown = [TimezoneCount(zone, counts.get(zone, 0)) for zone in TIMEZONES]
    if counts.get(WHEN_ANY):
        breakdown.append(TimezoneCount(WHEN_ANY, counts[WHEN_ANY]))
    return CampaignStatistics(
        breakdown,
        campaign.id,
        campaign.service,
        _known(campaign.loaded),
        _known(campaign.uploaded),
        _known(campaign.remaining),
        _known(campaign.completed),
    )


def _known(count: int | None) -> int | UnsetType:
    return UNSET if count is None else count
