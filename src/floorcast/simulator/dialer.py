"""Simulates a dialer, which calls people for ready agents and queues those who answer."""

from __future__ import annotations

from floorcast.simulator.campaign_lists import CampaignList
from floorcast.simulator.people import person
from floorcast.simulator.queueing import queue
from floorcast.simulator.world import Process, World

__all__ = ["Dialer"]

CHECK_SECONDS = 1  # between two checks for ready agents
NOT_REACHED = ("No Answer", "Busy", "Answering Machine")


class Dialer:
    """Dials one list. The number of lines is proportional to the ready agents (pacing)."""

    def __init__(self, world: World, records: CampaignList) -> None:
        self._world = world
        self._records = records
        self._ringing = 0

    def paces(self) -> Process:
        """Regularly count the ready agents and dial for them."""
        world, plan = self._world, self._records.plan
        while True:
            yield world.pause(CHECK_SECONDS)
            wanted = world.acd.free_for(plan.service) * plan.lines_an_agent - self._ringing
            for _ in range(int(wanted + world.chance.random())):
                zone = self._records.take()
                if zone is None:
                    break
                world.env.process(self._line(zone))

    def _line(self, zone: str) -> Process:
        world, plan = self._world, self._records.plan
        call = world.call(plan.service, "OUTBOUND", person(world.chance, zone), plan.name)
        self._ringing += 1
        world.tell.call_start(call)
        yield world.drawn(plan.ring)
        self._ringing -= 1
        if world.happens(plan.answers):
            self._records.reached()
            queue(world, call)
        else:
            self._records.not_reached(zone)
            world.end(call, world.chance.choice(NOT_REACHED))
