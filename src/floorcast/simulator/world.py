"""The state that all parts of the simulated floor share, such as the clock and the recorder."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import simpy

from floorcast.simulator.distributions import Distribution
from floorcast.simulator.distributor import Distributor
from floorcast.simulator.people import Person
from floorcast.simulator.recorder import EventRecorder
from floorcast.simulator.scenario import DAY_SECONDS, AgentPlan, FloorPlan
from floorcast.simulator.simulated_call import Direction, SimulatedCall

__all__ = ["NextCall", "Process", "World"]

Process = Generator[simpy.Event, Any, None]
"""A process on the simulated floor. It yields the events for which it waits."""

NextCall = Generator[simpy.Event, Any, SimulatedCall | None]
"""A process that returns an agent's next call, or None if another task is due first."""


@dataclass
class World:
    """One simulated floor. Its clock counts whole ms, so every duration is exact.

    ``begins_at`` is the time of day, in seconds, at clock time 0. ``run`` is the name of the run,
    with which the session ids of calls begin. ``calls`` has the calls in progress.
    """

    env: simpy.Environment
    chance: Random
    plan: FloorPlan
    recorder: EventRecorder
    begins_at: float
    run: str
    first_transaction: int
    acd: Distributor = field(default_factory=Distributor)
    calls: dict[SimulatedCall, None] = field(default_factory=dict)
    call_count: int = 0

    @property
    def now(self) -> int:
        """The time on the clock, in ms."""
        return int(self.env.now)

    @property
    def time_of_day(self) -> float:
        """Seconds since the floor's midnight."""
        return (self.begins_at + self.now / 1000) % DAY_SECONDS

    def happens(self, share: float) -> bool:
        """Return true with the given probability."""
        return self.chance.random() < share

    def pause(self, seconds: float) -> simpy.Timeout:
        """Return a timeout of this many seconds."""
        return self.env.timeout(round(seconds * 1000))

    def random_pause(self, distribution: Distribution) -> simpy.Timeout:
        """Return a timeout with a random duration from a distribution."""
        return self.pause(distribution.draw(self.chance))

    def after(self, seconds: float, then: Callable[[], None]) -> None:
        """Call ``then`` after this many seconds, or never if the delay is infinite."""
        if seconds != math.inf:
            timeout = self.pause(seconds)
            assert timeout.callbacks is not None
            timeout.callbacks.append(lambda _: then())

    def begin_call(
        self, service: str, direction: Direction, person: Person, campaign: str | None = None
    ) -> SimulatedCall:
        """Begin a call, which is in progress until ``end`` or ``lose``."""
        self.call_count += 1
        session = f"{self.run}-{self.call_count}"
        call = SimulatedCall(
            self.first_transaction + self.call_count, session, service, direction, person
        )
        call.campaign = campaign
        self.calls[call] = None
        return call

    def end(self, call: SimulatedCall, result: str, agent: AgentPlan | None = None) -> None:
        """End a call. ``agent`` is the agent who was in it, if any."""
        self.recorder.call_end(call, result, agent)
        del self.calls[call]

    def lose(self, call: SimulatedCall) -> None:
        """End a call without an event."""
        self.recorder.truth.record_lost(call)
        del self.calls[call]
