"""Simulates callers, who arrive, listen to the voice menu, and then ask for an agent."""

from __future__ import annotations

from floorcast.simulator.people import person
from floorcast.simulator.queueing import queue
from floorcast.simulator.scenario import ServicePlan
from floorcast.simulator.world import Process, World

__all__ = ["arrivals"]

HOUR_SECONDS = 3_600


def arrivals(world: World, service: ServicePlan) -> Process:
    """Let callers arrive, as a Poisson process with a rate that depends on the time of day.

    The process draws arrivals at the highest rate and skips some of them.
    """
    most = max(service.calls_an_hour)
    while True:
        yield world.pause(world.chance.expovariate(most / HOUR_SECONDS))
        if world.happens(service.rate(world.time_of_day) / most):
            world.env.process(_caller(world, service))


def _caller(world: World, service: ServicePlan) -> Process:
    call = world.call(service.name, "INBOUND", person(world.chance))
    shares = service.priorities
    (call.priority,) = world.chance.choices(range(len(shares)), shares)
    late = world.plan.habits.identified_late
    call.is_identified = not (late and world.happens(late))
    world.tell.call_start(call)
    listened = service.ivr.draw(world.chance)
    call.ivr = round(listened * 1000)
    yield world.pause(listened)
    if world.happens(service.gives_up_in_ivr):
        world.end(call, "Caller hung up in IVR")
    else:
        if not call.is_identified:
            world.tell.call_update(call)
        queue(world, call)
