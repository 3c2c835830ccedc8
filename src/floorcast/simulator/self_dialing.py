"""Simulates an agent who dials a list without the dialer, with a preview or manually."""

from __future__ import annotations

from floorcast.simulator.campaign_lists import CampaignList
from floorcast.simulator.people import Person, random_person
from floorcast.simulator.scenario import AgentPlan
from floorcast.simulator.shifts import SimulatedAgent
from floorcast.simulator.simulated_call import SimulatedCall
from floorcast.simulator.world import NextCall, World

__all__ = ["SelfDialingAgent"]

SKIPPED_SHARE = 0.15  # share of the previewed records
PAUSE_SECONDS = 6.0  # mean seconds from one record to the next
EMPTY_LIST_SECONDS = 120.0  # seconds until the next check of a list with no one to call


class SelfDialingAgent(SimulatedAgent):
    """An agent who dials people on a list instead of taking calls from the distributor."""

    def __init__(self, world: World, plan: AgentPlan, records: CampaignList) -> None:
        super().__init__(world, plan)
        self._records = records

    def next_call(self) -> NextCall:
        """Dial the next record and return the call.

        Returns None if there is no record, the record is skipped, nobody answers, or another task
        is due.
        """
        world = self.world
        yield world.pause(world.chance.expovariate(1 / PAUSE_SECONDS))
        if self.is_due():
            return None
        zone = self._records.take_record()
        if zone is None:
            yield world.pause(EMPTY_LIST_SECONDS)
            return None
        customer = random_person(world.chance, zone)
        is_manual = self.plan.mode == "manual"
        self._record_preview(customer, "MANUAL_DIAL" if is_manual else "PREVIEW_DIAL_OFFERED")
        yield world.random_pause(world.plan.habits.preview_time)
        if not is_manual:
            if world.happens(SKIPPED_SHARE):
                self._records.mark_unanswered(zone)
                self._record_preview(customer, "PREVIEW_DIAL_SKIPPED")
                return None
            self._record_preview(customer, "PREVIEW_DIAL_ACCEPTED")
        call = world.begin_call(
            self.service, "MANUAL" if is_manual else "OUTBOUND", customer, self._records.plan.name
        )
        return (yield from self._dial(call, zone))

    def _dial(self, call: SimulatedCall, zone: str) -> NextCall:
        world, campaign = self.world, self._records.plan
        self.call = call
        world.recorder.call_start(call, self.plan)
        self.record_state("DIALING", call=call)
        yield world.random_pause(campaign.ring)
        if world.happens(campaign.answers):
            self._records.mark_answered()
            self.answer(call)
            return call
        self._records.mark_unanswered(zone)
        world.end(call, "No Answer", self.plan)
        self.call = None
        yield from self.wrap_up(call, self.service, answered=False)
        return None

    def _record_preview(self, customer: Person, event_type: str) -> None:
        self.world.recorder.agent_state(self.plan, event_type, person=customer)
