"""One campaign: its last reported counts, and when it was last active."""

from __future__ import annotations

from msgspec import Struct, field, structs

from floorcast.model.inbound_data import CampaignUpdateData

__all__ = ["OPTIONAL_ZONE", "TIMEZONES", "Campaign", "update"]

TIMEZONES = ("AL", "AT", "CHT", "CT", "ET", "HI", "MT", "PT", "SAFE", "UK")
OPTIONAL_ZONE = "GU"  # shown after TIMEZONES, and only if it has records

_LONG_AGO = -(2**60)
_COUNTS = ("uploaded", "loaded", "completed", "remaining", "dialable", "state")


class Campaign(Struct):
    """The state of a campaign. A count that no source has reported is None.

    ``timezones`` holds the records of the time zones that are shown. ``reported`` holds the time
    (ms) of the last report of each member.
    """

    id: int
    service: int | None = None
    state: str | None = None
    uploaded: int | None = None
    loaded: int | None = None
    completed: int | None = None
    remaining: int | None = None
    dialable: int | None = None
    timezones: dict[str, int] = field(default_factory=dict)
    reported: dict[str, int] = field(default_factory=dict)
    last_update: int = _LONG_AGO
    last_call: int = _LONG_AGO


def update(campaign: Campaign, data: CampaignUpdateData, service: int | None, at: int) -> None:
    """Merge a report member by member. An older value never overwrites a newer one."""
    for name in _COUNTS:
        value = getattr(data, name)
        if value is not None and _newer(campaign, name, at):
            setattr(campaign, name, value)
    if service is not None and _newer(campaign, "service", at):
        campaign.service = service
    if data.timezones is not None and _newer(campaign, "timezones", at):
        campaign.timezones = {
            zone: records
            for zone, records in structs.asdict(data.timezones).items()
            if records is not None
        }
    campaign.last_update = max(campaign.last_update, at)


def _newer(campaign: Campaign, name: str, at: int) -> bool:
    if at < campaign.reported.get(name, _LONG_AGO):
        return False
    campaign.reported[name] = at
    return True
