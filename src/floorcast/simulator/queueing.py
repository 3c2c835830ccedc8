"""Simulates a call in a queue until it is answered, abandoned, or moved to another queue."""

from __future__ import annotations

from floorcast.simulator.scenario import AgentPlan
from floorcast.simulator.simulated_call import SimulatedCall
from floorcast.simulator.world import World

__all__ = ["queue", "somewhere_else"]

# minimum in seconds; the order of events with the same time would depend on their arrival
CONNECTS = 0.001


def queue(world: World, call: SimulatedCall, by: AgentPlan | None = None) -> None:
    """Put a call in its service's queue. ``by`` is the agent who transferred the call."""
    service, habits = world.plan.services[call.service], world.plan.habits
    call.waits += 1
    _join(world, call, by)
    wait, patience = call.waits, service.patience.draw(world.chance)
    world.after(patience, lambda: _gives_up(world, call, wait))
    if call.direction == "INBOUND" and habits.leaves and world.happens(habits.leaves):
        world.after(habits.leaves_after, lambda: _leaves(world, call, wait))
    if call.direction == "INBOUND" and world.happens(habits.overflow):
        world.after(habits.overflow_after, lambda: _overflow(world, call, wait))


def somewhere_else(world: World, call: SimulatedCall) -> list[str]:
    """Return the services that can take over a call. A call visits each service at most once."""
    return [
        name for name in world.plan.services[call.service].overflows_to if name not in call.been
    ]


def _join(world: World, call: SimulatedCall, by: AgentPlan | None = None) -> None:
    call.been = (*call.been, call.service)
    call.joined, call.answered = world.now, None
    world.tell.call_queue(call, by)
    call.waiting = True
    world.after(CONNECTS, lambda: _ask(world, call))


def _ask(world: World, call: SimulatedCall) -> None:
    if call.waiting:
        world.acd.join(call)


def _overflow(world: World, call: SimulatedCall, wait: int) -> None:
    elsewhere = somewhere_else(world, call)
    if call.waiting and call.waits == wait and elsewhere:
        world.acd.leave(call)
        world.tell.call_leave(call, "OVERFLOW")
        call.service = world.chance.choice(elsewhere)
        _join(world, call)


def _leaves(world: World, call: SimulatedCall, wait: int) -> None:
    """Let the caller press a key and leave a voicemail."""
    if call.waiting and call.waits == wait:
        world.acd.leave(call)
        world.tell.call_leave(call, "VOICEMAIL", key="1")
        call.left = world.now
        spoken = world.plan.habits.message_time.draw(world.chance)
        world.after(spoken, lambda: _has_spoken(world, call))


def _has_spoken(world: World, call: SimulatedCall) -> None:
    if call in world.calls:  # the floor may have closed
        world.end(call, "Voice mail left")


def _gives_up(world: World, call: SimulatedCall, wait: int) -> None:
    if call.waiting and call.waits == wait:
        world.acd.leave(call)
        world.end(call, "Caller hung up in queue")
