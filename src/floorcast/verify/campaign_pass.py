"""The pass over campaigns: keeps the last reported value of each member, and the last activity."""

from __future__ import annotations

from collections.abc import Iterable

from floorcast.verify.record_types import Report
from floorcast.verify.sums import Sums

__all__ = ["add_campaigns"]

_MEMBERS = ("uploaded", "loaded", "completed", "remaining", "dialable", "state", "timezones")


def add_campaigns(sums: Sums, reports: Iterable[Report]) -> None:
    """Add the reports about campaigns, in the order of the log."""
    for report in reports:
        campaign = sums.campaigns[report.campaign]
        campaign.last = max(campaign.last, report.at)
        if report.data is None:
            if campaign.service is None:
                campaign.service = report.service
            continue
        said = {name: report.data[name] for name in _MEMBERS if report.data.get(name) is not None}
        if report.service is not None:
            said["service"] = report.service
        for name, value in said.items():
            if name not in campaign.reported or report.at >= campaign.reported[name]:
                campaign.reported[name] = report.at
                campaign.counts[name] = value
        campaign.service = campaign.counts.get("service", campaign.service)
