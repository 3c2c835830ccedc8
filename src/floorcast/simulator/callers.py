"""Simulates callers, who arrive, listen to the voice menu, and then ask for an agent."""

from __future__ import annotations

from floorcast.simulator.people import random_person
from floorcast.simulator.queueing import enqueue
from floorcast.simulator.scenario import ServicePlan
from floorcast.simulator.world import Process, World

__all__ = ["arrivals"]

HOUR_SECONDS = 3_600


def arrivals(world: World, service: ServicePlan) -> Process:
    """Generate callers as a Poisson process whose rate depends on the time of day.

    The process draws arrivals at the highest rate and skips some of them.
    """
    peak_rate = max(service.calls_per_hour)
    while True:
        yield world.pause(world.chance.expovariate(peak_rate / HOUR_SECONDS))
        if world.happens(service.rate(world.time_of_day) / peak_rate):
            world.env.process(_caller(world, service))


def _caller(world: World, service: ServicePlan) -> Process:
    call = world.begin_call(service.name, "INBOUND", random_person(world.chance))
    shares = service.priorities
    (call.priority,) = world.chance.choices(range(len(shares)), shares)
    late_share = world.plan.habits.identified_late
    call.is_identified = not (late_share and world.happens(late_share))
    world.recorder.call_start(call)
    ivr_seconds = service.ivr.draw(world.chance)
    call.ivr = round(ivr_seconds * 1000)
    yield world.pause(ivr_seconds)
    if world.happens(service.gives_up_in_ivr):
        world.end(call, "Caller hung up in IVR")
    else:
        if not call.is_identified:
            world.recorder.call_update(call)
        enqueue(world, call)
