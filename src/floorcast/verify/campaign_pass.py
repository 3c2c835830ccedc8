"""The pass over campaigns: keeps the last reported value of each member, and the last activity.

The service of a campaign that no report names is that of its first call.
"""

from __future__ import annotations

from collections.abc import Iterable

from floorcast.verify.record_types import CampaignRecord
from floorcast.verify.sums import Sums

__all__ = ["add_campaigns"]

_MEMBERS = ("uploaded", "loaded", "completed", "remaining", "dialable", "state", "timezones")


def add_campaigns(sums: Sums, records: Iterable[CampaignRecord]) -> None:
    """Add the records about campaigns, in the order of the log."""
    for record in records:
        campaign = sums.campaigns[record.campaign]
        campaign.last = max(campaign.last, record.at)
        if record.data is None:
            first = record.first_named
            if first is not None and (campaign.first_call is None or first < campaign.first_call):
                campaign.first_call, campaign.service = first, record.service
            continue
        members = {
            name: record.data[name] for name in _MEMBERS if record.data.get(name) is not None
        }
        if record.service is not None:
            members["service"] = record.service
        for name, value in members.items():
            if name not in campaign.reported or record.at >= campaign.reported[name]:
                campaign.reported[name] = record.at
                campaign.counts[name] = value
    for campaign in sums.campaigns.values():
        campaign.service = campaign.counts.get("service", campaign.service)
