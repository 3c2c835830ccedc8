"""Simulates an agent who dials a list without the dialer, with a preview or manually."""

from __future__ import annotations

from floorcast.simulator.campaign_lists import CampaignList
from floorcast.simulator.people import Person, person
from floorcast.simulator.scenario import AgentPlan
from floorcast.simulator.shifts import SimulatedAgent
from floorcast.simulator.simulated_call import SimulatedCall
from floorcast.simulator.world import CallToCome, World

__all__ = ["SelfDialing"]

SKIPPED_SHARE = 0.15  # share of the previewed records
BETWEEN = 6.0  # mean seconds from one record to the next
NOBODY_LEFT = 120.0  # seconds until the next check of a list with no one to call


class SelfDialing(SimulatedAgent):
    """An agent who dials people on a list instead of taking calls from the distributor."""

    def __init__(self, world: World, plan: AgentPlan, records: CampaignList) -> None:
        super().__init__(world, plan)
        self._records = records

    def next_call(self) -> CallToCome:
        """Dial the next record and return the call.

        Returns None if there is no record, the record is skipped, nobody answers, or another task
        is due.
        """
        world = self.world
        yield world.pause(world.chance.expovariate(1 / BETWEEN))
        if self.is_due():
            return None
        zone = self._records.take()
        if zone is None:
            yield world.pause(NOBODY_LEFT)
            return None
        whom = person(world.chance, zone)
        by_hand = self.plan.mode == "manual"
        self._tell_of(whom, "MANUAL_DIAL" if by_hand else "PREVIEW_DIAL_OFFERED")
        yield world.drawn(world.plan.habits.preview_time)
        if not by_hand:
            if world.happens(SKIPPED_SHARE):
                self._records.not_reached(zone)
                self._tell_of(whom, "PREVIEW_DIAL_SKIPPED")
                return None
            self._tell_of(whom, "PREVIEW_DIAL_ACCEPTED")
        call = world.call(
            self.service, "MANUAL" if by_hand else "OUTBOUND", whom, self._records.plan.name
        )
        return (yield from self._dial(call, zone))

    def _dial(self, call: SimulatedCall, zone: str) -> CallToCome:
        world, campaign = self.world, self._records.plan
        self.call = call
        world.tell.call_start(call, self.plan)
        self.tell("DIALING", call=call)
        yield world.drawn(campaign.ring)
        if world.happens(campaign.answers):
            self._records.reached()
            self.answer(call)
            return call
        self._records.not_reached(zone)
        world.end(call, "No Answer", self.plan)
        self.call = None
        yield from self.wrap_up(call, self.service, answered=False)
        return None

    def _tell_of(self, whom: Person, event_type: str) -> None:
        self.world.tell.agent_state(self.plan, event_type, person=whom)
