"""Runs a simulation, and groups its events by call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from floorcast.client.cloud_event import CloudEvent
from floorcast.simulator.distributions import Exponential
from floorcast.simulator.scenario import AgentPlan, FloorPlan, ServicePlan
from floorcast.simulator.simulation import Simulation
from tests.simulator.parity import START

__all__ = ["MINUTE", "by_call", "erlang_floor", "events_until", "seconds"]

MINUTE = 60_000  # ms


def events_until(simulation: Simulation, until: int, step: int = MINUTE) -> list[CloudEvent]:
    """Return all events up to ``until`` (ms), taken in slices of ``step``."""
    events: list[CloudEvent] = []
    for upto in range(simulation.now + step, until + step, step):
        events += simulation.advance(min(upto, until))
    return events


def by_call(events: Iterable[CloudEvent]) -> dict[Any, list[CloudEvent]]:
    """Return the steps of each call, in order."""
    calls: defaultdict[Any, list[CloudEvent]] = defaultdict(list)
    for event in events:
        if event.type.startswith("call."):
            calls[event.data["transactionId"]].append(event)
    return calls


def seconds(event: CloudEvent) -> float:
    """Return the event's time, in seconds since the start."""
    return (event.time - START) / timedelta(seconds=1)


def erlang_floor(
    agents: int, calls_per_hour: float, talk: float, patience: float | None = None
) -> FloorPlan:
    """Erlang's floor: one queue, Poisson arrivals, exponential talks, and no breaks."""
    service = ServicePlan("S", Exponential(talk), calls_per_hour=(calls_per_hour,))
    if patience is not None:
        service = ServicePlan(
            "S", Exponential(talk), calls_per_hour=(calls_per_hour,), patience=Exponential(patience)
        )
    people: Sequence[AgentPlan] = [AgentPlan(f"A{number}", "S") for number in range(agents)]
    return FloorPlan({"S": service}, people)
