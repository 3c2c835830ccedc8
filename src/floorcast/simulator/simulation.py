"""Runs a plan with a seed, one time slice after another.

The same plan, seed and start always produce the same events, regardless of the slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from random import Random

import simpy

from floorcast.client.cloud_event import CloudEvent
from floorcast.simulator.callers import arrivals
from floorcast.simulator.campaign_lists import CampaignList
from floorcast.simulator.dialer import Dialer
from floorcast.simulator.message_campaigns import emails, texts
from floorcast.simulator.recorder import EventRecorder
from floorcast.simulator.scenario import FloorPlan
from floorcast.simulator.self_dialing import SelfDialingAgent
from floorcast.simulator.shifts import SimulatedAgent
from floorcast.simulator.true_figures import AgentTruth
from floorcast.simulator.truth import Truth
from floorcast.simulator.world import Process, World

__all__ = ["Simulation"]

CALLS_PER_SECOND = 1_000_000  # per second, so that two runs have different transactions
OUTAGE_SECONDS = (120.0, 600.0)  # the minimum and maximum seconds without events from a dead desk


class Simulation:
    """One run. ``start`` (with a time zone) is the time of the first events.

    ``begins_at`` is the floor's local time at the start, in seconds since midnight. ``deaths`` is
    the number of times per hour that a desk's source dies. The source returns some minutes later.
    ``truth`` has the true figures so far.
    """

    def __init__(
        self,
        plan: FloorPlan,
        *,
        seed: int,
        start: datetime,
        begins_at: float = 36_000.0,
        deaths: float = 0.0,
    ) -> None:
        self.start = start
        run = f"{seed}-{len(plan.agents)}-{start:%y%m%d%H%M%S}"
        sla = {name: one.sla_seconds for name, one in plan.services.items()}
        self.truth = Truth(sla, int(start.timestamp() * 1000))
        self.truth.agents = {
            one.login: AgentTruth(one.service, (one.service, *one.skills)) for one in plan.agents
        }
        env = simpy.Environment()
        recorder = EventRecorder(env, start, f"simulator/{run}", self.truth)
        chance = Random(f"simulation {seed}")  # noqa: S311 — not used for secrets
        first = int(start.timestamp()) * CALLS_PER_SECOND
        self._world = World(env, chance, plan, recorder, begins_at, run, first)
        self._deaths = deaths
        self._agents: list[SimulatedAgent] = []
        self._begin()

    @property
    def now(self) -> int:
        """The simulated time, in ms since the start."""
        return self._world.now

    def advance(self, until: int) -> Sequence[CloudEvent]:
        """Run until just before ``until`` (ms since the start). Returns the new events."""
        if until > self.now:
            self._world.env.run(until=until)
        return self._world.recorder.drain()

    def close(self) -> Sequence[CloudEvent]:
        """End all calls and log off all agents. Returns the new events."""
        world = self._world
        for call in list(world.calls):
            world.end(call, "Floor closed")
        for agent in self._agents:
            if agent.is_logged_on:
                agent.log_off()
        return world.recorder.drain()

    def _begin(self) -> None:
        world = self._world
        lists = {one.name: CampaignList(world, one) for one in world.plan.campaigns}
        for plan in world.plan.agents:
            if plan.campaign is None:
                self._agents.append(SimulatedAgent(world, plan))
            else:
                self._agents.append(SelfDialingAgent(world, plan, lists[plan.campaign]))
        for agent in self._agents:
            agent.process = world.env.process(agent.work())
        for service in world.plan.services.values():
            if any(service.calls_per_hour):
                world.env.process(arrivals(world, service))
        for records in lists.values():
            self._start_campaign(records)
        if self._deaths:
            world.env.process(self._fail_desks())

    def _start_campaign(self, records: CampaignList) -> None:
        world, campaign = self._world, records.plan
        world.env.process(records.report_progress())
        if campaign.lines_per_agent:
            world.env.process(Dialer(world, records).run())
        if campaign.texts_per_hour:
            world.env.process(texts(world, campaign))
        if campaign.emails_per_hour:
            world.env.process(emails(world, campaign))

    def _fail_desks(self) -> Process:
        world = self._world
        while True:
            yield world.pause(world.chance.expovariate(self._deaths / 3_600))
            is_logged_on = [agent for agent in self._agents if agent.is_logged_on]
            if is_logged_on:
                desk = world.chance.choice(is_logged_on).plan.desk
                outage = world.chance.uniform(*OUTAGE_SECONDS)
                self.truth.deaths += 1
                for agent in is_logged_on:
                    if agent.plan.desk == desk:
                        agent.process.interrupt(outage)
