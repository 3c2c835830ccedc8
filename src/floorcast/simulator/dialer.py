"""Simulates a dialer, which calls people for ready agents and queues those who answer."""

from __future__ import annotations

from floorcast.simulator.campaign_lists import CampaignList
from floorcast.simulator.people import random_person
from floorcast.simulator.queueing import enqueue
from floorcast.simulator.world import Process, World

__all__ = ["Dialer"]

CHECK_SECONDS = 1  # between two checks for ready agents
UNANSWERED_RESULTS = ("No Answer", "Busy", "Answering Machine")


class Dialer:
    """Dials one list. The number of lines is proportional to the ready agents (pacing)."""

    def __init__(self, world: World, records: CampaignList) -> None:
        self._world = world
        self._records = records
        self._ringing = 0

    def run(self) -> Process:
        """Regularly count the ready agents and dial for them."""
        world, plan = self._world, self._records.plan
        while True:
            yield world.pause(CHECK_SECONDS)
            lines = world.acd.count_ready(plan.service) * plan.lines_per_agent - self._ringing
            for _ in range(int(lines + world.chance.random())):
                zone = self._records.take_record()
                if zone is None:
                    break
                world.env.process(self._dial(zone))

    def _dial(self, zone: str) -> Process:
        world, plan = self._world, self._records.plan
        call = world.begin_call(
            plan.service, "OUTBOUND", random_person(world.chance, zone), plan.name
        )
        self._ringing += 1
        world.recorder.call_start(call)
        yield world.random_pause(plan.ring)
        self._ringing -= 1
        if world.happens(plan.answers):
            self._records.mark_answered()
            enqueue(world, call)
        else:
            self._records.mark_unanswered(zone)
            world.end(call, world.chance.choice(UNANSWERED_RESULTS))
