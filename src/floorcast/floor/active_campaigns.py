"""The campaigns that were active today or yesterday, by service."""

from __future__ import annotations

from floorcast.floor.calls import Call
from floorcast.floor.campaigns import Campaign, add_call, update
from floorcast.floor.change_hooks import ChangeHooks
from floorcast.floor.days import Calendar
from floorcast.floor.directory import NO_SERVICE
from floorcast.floor.ledger import Ledger
from floorcast.floor.rosters import Roster
from floorcast.model.inbound_data import CampaignUpdateData

__all__ = ["ActiveCampaigns"]


class ActiveCampaigns(Roster[Campaign]):
    """The campaigns that had a report or a call on a day that the ledger keeps.

    ``known`` holds all campaigns of the floor. Times are in ms.
    """

    def __init__(self, known: dict[int, Campaign], ledger: Ledger, hooks: ChangeHooks) -> None:
        super().__init__(hooks.services)
        self._change_hooks = hooks
        self._known = known
        self._ledger = ledger

    def begin_day(self, calendar: Calendar) -> None:
        """At the start of a day, remove campaigns that have been inactive for too long."""
        for campaign in self.numbers():
            self.update_listing(self._known[campaign], calendar)

    def record_call(self, call: Call, calendar: Calendar) -> None:
        """Record that a call had a step, for each campaign that its events have named."""
        for number in call.campaigns:
            campaign = self._campaign(number)
            add_call(campaign, call)
            self.update_listing(campaign, calendar)

    def record_report(
        self,
        campaign_id: int,
        data: CampaignUpdateData,
        service: int | None,
        at: int,
        calendar: Calendar,
    ) -> bool:
        """Record that a source reported the campaign's counts or state.

        Returns whether the report has the campaign's newest name.
        """
        campaign = self._campaign(campaign_id)
        is_named = update(campaign, data, service, at)
        self.update_listing(campaign, calendar)
        return is_named

    def update_listing(self, campaign: Campaign, calendar: Calendar) -> None:
        """List the campaign under its service, or remove it if it was inactive for too long."""
        last = max(campaign.last_update, campaign.last_call)
        first_day = self._ledger.first_day
        if first_day and last < calendar.bounds(first_day)[0]:
            self.put(campaign.id, campaign, ())
        else:
            service = NO_SERVICE if campaign.service is None else campaign.service
            self.put(campaign.id, campaign, (service,))

    def _campaign(self, campaign_id: int) -> Campaign:
        campaign = self._known.get(campaign_id)
        if campaign is None:
            campaign = self._known[campaign_id] = Campaign(campaign_id)
            return campaign
        for hook in self._change_hooks.campaigns:
            hook(campaign_id)
        for hook in self._change_hooks.services:
            hook(NO_SERVICE if campaign.service is None else campaign.service)
        return campaign
