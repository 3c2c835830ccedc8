"""One campaign: its last reported counts, and when it was last active."""

from __future__ import annotations

from msgspec import Struct, field, structs

from floorcast.floor.calls import Call
from floorcast.model.inbound_data import CampaignUpdateData

__all__ = ["OPTIONAL_ZONE", "TIMEZONES", "Campaign", "add_call", "update"]

TIMEZONES = ("AL", "AT", "CHT", "CT", "ET", "HI", "MT", "PT", "SAFE", "UK")
OPTIONAL_ZONE = "GU"  # shown after TIMEZONES, and only if it has records

_LONG_AGO = -(2**60)
_COUNTS = ("uploaded", "loaded", "completed", "remaining", "dialable", "state")


class Campaign(Struct):
    """The state of a campaign. A count that no source has reported is None.

    ``timezones`` holds the records of the time zones that are shown. ``reported`` holds the time
    (ms) of the last report of each member. ``first_call`` is the call that the service is from if
    no report named one: when an event of the call first named a service, and the call's key.
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
    first_call: tuple[int, int, str] | None = None

    def forget_service(self) -> None:
        """Forget the service. The next call or report sets it."""
        self.service = self.first_call = None
        self.reported.pop("service", None)


def update(campaign: Campaign, data: CampaignUpdateData, service: int | None, at: int) -> bool:
    """Merge a report member by member. An older value never overwrites a newer one.

    Returns whether the report has the campaign's newest name.
    """
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
    return bool(data.name) and _newer(campaign, "name", at)


def add_call(campaign: Campaign, call: Call) -> None:
    """Record that a call was active, and take its service if it is the campaign's first call.

    The first call is the one whose events name a service at the earliest time. Of calls with the
    same time, it is the one with the lowest key. A service that a report has named stays.
    """
    campaign.last_call = max(campaign.last_call, call.last_active)
    found, known = call.first_service, campaign.first_call
    if found is None or "service" in campaign.reported:
        return
    at, service = found
    if known is None:
        if campaign.service is not None:
            return  # an earlier release took it from a call that came first
    elif known[1:] == call.key:
        at = min(at, known[0])
    elif known < (at, *call.key):
        return
    campaign.first_call, campaign.service = (at, *call.key), service


def _newer(campaign: Campaign, name: str, at: int) -> bool:
    if at < campaign.reported.get(name, _LONG_AGO):
        return False
    campaign.reported[name] = at
    return True
