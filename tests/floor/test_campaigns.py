"""Tests of the members that a campaign keeps."""

from __future__ import annotations

import msgspec

from floorcast.floor.campaigns import Campaign, update
from floorcast.model.inbound_data import CampaignUpdateData


def test_a_campaign_keeps_only_the_time_zones_that_are_shown() -> None:
    """One event can have 100,000 time zones, but not fill the memory with them."""
    campaign = Campaign(id=1)
    zones = {f"zone {number}": number for number in range(1000)} | {"GU": 2, "ET": 1}
    update(campaign, _update(zones), None, 5)
    assert campaign.timezones == {"ET": 1, "GU": 2}
    update(campaign, _update({}), None, 6)
    assert campaign.timezones == {}


def _update(zones: dict[str, int]) -> CampaignUpdateData:
    return msgspec.convert({"campaign": 1, "timezones": zones}, CampaignUpdateData)
