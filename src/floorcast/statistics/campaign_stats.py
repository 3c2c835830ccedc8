"""Campaign statistics: the loaded, completed and remaining records of today's campaigns."""

from __future__ import annotations

from typing import TypeVar

from msgspec import UNSET, Struct, UnsetType

from floorcast.floor.view import OPTIONAL_ZONE, TIMEZONES, Campaign, FloorView
from floorcast.statistics.consistent_scan import Scan, Slices
from floorcast.statistics.requests import CampaignFilter
from floorcast.statistics.visibility import Moment, Scope, Visibility

__all__ = ["CampaignAnswer", "CampaignStatistics", "TimezoneCount", "campaign_statistics"]


class TimezoneCount(Struct, gc=False):
    """The number of a campaign's records in a time zone."""

    timezone: str
    count: int


class CampaignStatistics(Struct, rename="camel"):
    """One campaign. Unknown counts and names are omitted."""

    timezone_breakdown: list[TimezoneCount]
    campaign_id: int
    service_id: int | None
    loaded: int | UnsetType = UNSET
    uploaded: int | UnsetType = UNSET
    remaining: int | UnsetType = UNSET
    completed: int | UnsetType = UNSET
    name: str | UnsetType = UNSET


class CampaignAnswer(Struct):
    """Today's campaigns."""

    stats: list[CampaignStatistics]


T = TypeVar("T")

HIDDEN_STATES = {"DEACTIVATED", "SCHEDULED_UNBUILT", "READY_UNBUILT"}


def campaign_statistics(
    visibility: Visibility, wanted: CampaignFilter, moment: Moment
) -> Slices[CampaignStatistics]:
    """Return today's campaigns that the filter selects.

    Raises InvalidParameter for an unknown id.
    """
    if wanted.campaigns:
        visibility.require("campaign", wanted.campaigns, lambda *one: _is_seen(visibility, *one))
    scopes = visibility.scopes(wanted.of)
    return Slices([_of(scope, wanted.campaigns, moment) for scope in scopes])


def _of(scope: Scope, wanted: frozenset[int], moment: Moment) -> Scan[CampaignStatistics]:
    midnight = scope.today(moment).begin
    found = {
        campaign.id: campaign
        for service in scope.services
        for campaign in scope.view.campaigns_of(service)
        if (not wanted or campaign.id in wanted)
        and is_of_today(campaign, midnight)
        and (campaign.state or "").upper() not in HIDDEN_STATES
    }
    hooks = scope.view.hooks.campaigns
    name_of = scope.view.campaign_name
    return Scan(found, lambda number: _row(found[number], name_of(number)), hooks, scope.rows)


def is_of_today(campaign: Campaign, midnight: int) -> bool:
    """Return whether the campaign was updated or had a call today."""
    return campaign.last_update >= midnight or campaign.last_call >= midnight


def _is_seen(visibility: Visibility, view: FloorView, number: int) -> bool:
    campaign = view.campaign(number)
    if campaign is None:
        return view.is_campaign(number) and visibility.limits is None
    return visibility.sees_service(view, campaign.service)


def _row(campaign: Campaign, name: str | None) -> CampaignStatistics:
    counts = campaign.timezones
    breakdown = [TimezoneCount(zone, counts.get(zone, 0)) for zone in TIMEZONES]
    if counts.get(OPTIONAL_ZONE):
        breakdown.append(TimezoneCount(OPTIONAL_ZONE, counts[OPTIONAL_ZONE]))
    return CampaignStatistics(
        breakdown,
        campaign.id,
        campaign.service,
        _or_unset(campaign.loaded),
        _or_unset(campaign.uploaded),
        _or_unset(campaign.remaining),
        _or_unset(campaign.completed),
        _or_unset(name),
    )


def _or_unset(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value
