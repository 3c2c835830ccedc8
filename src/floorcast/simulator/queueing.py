"""Simulates a call in a queue until it is answered, abandoned, or moved to another queue."""

from __future__ import annotations

from floorcast.simulator.scenario import AgentPlan
from floorcast.simulator.simulated_call import SimulatedCall
from floorcast.simulator.world import World

__all__ = ["enqueue", "overflow_services"]

# minimum in seconds; the order of events with the same time would depend on their arrival
CONNECT_SECONDS = 0.001


def enqueue(world: World, call: SimulatedCall, transferred_by: AgentPlan | None = None) -> None:
    """Put a call in its service's queue. ``transferred_by`` is the agent who sent it there."""
    service, habits = world.plan.services[call.service], world.plan.habits
    call.waits += 1
    _join(world, call, transferred_by)
    wait, patience = call.waits, service.patience.draw(world.chance)
    world.after(patience, lambda: _abandon(world, call, wait))
    if call.direction == "INBOUND" and habits.leaves and world.happens(habits.leaves):
        world.after(habits.leaves_after, lambda: _leave_voicemail(world, call, wait))
    if call.direction == "INBOUND" and world.happens(habits.overflow):
        world.after(habits.overflow_after, lambda: _overflow(world, call, wait))


def overflow_services(world: World, call: SimulatedCall) -> list[str]:
    """Return the services that can take over a call. A call visits each service at most once."""
    return [
        name for name in world.plan.services[call.service].overflows_to if name not in call.visited
    ]


def _join(world: World, call: SimulatedCall, transferred_by: AgentPlan | None = None) -> None:
    call.visited = (*call.visited, call.service)
    call.joined, call.answered = world.now, None
    world.recorder.call_queue(call, transferred_by)
    call.waiting = True
    world.after(CONNECT_SECONDS, lambda: _offer(world, call))


def _offer(world: World, call: SimulatedCall) -> None:
    if call.waiting:
        world.acd.join(call)


def _overflow(world: World, call: SimulatedCall, wait: int) -> None:
    services = overflow_services(world, call)
    if call.waiting and call.waits == wait and services:
        world.acd.leave(call)
        world.recorder.call_leave(call, "OVERFLOW")
        call.service = world.chance.choice(services)
        _join(world, call)


def _leave_voicemail(world: World, call: SimulatedCall, wait: int) -> None:
    """Let the caller press a key and leave a voicemail."""
    if call.waiting and call.waits == wait:
        world.acd.leave(call)
        world.recorder.call_leave(call, "VOICEMAIL", key="1")
        call.left = world.now
        message_seconds = world.plan.habits.message_time.draw(world.chance)
        world.after(message_seconds, lambda: _end_voicemail(world, call))


def _end_voicemail(world: World, call: SimulatedCall) -> None:
    if call in world.calls:  # the floor may have closed
        world.end(call, "Voice mail left")


def _abandon(world: World, call: SimulatedCall, wait: int) -> None:
    if call.waiting and call.waits == wait:
        world.acd.leave(call)
        world.end(call, "Caller hung up in queue")
