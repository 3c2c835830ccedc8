"""The parts of a simulated floor: its services, campaigns and agents, and their habits.

A plan is data; ``floor.py`` makes one of a given size, tests make theirs by hand. Times of day
are seconds since the floor's own midnight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from floorcast.simulator.distributions import Distribution, Exponential, Fixed, Lognormal

__all__ = [
    "DAY",
    "HALF_HOUR",
    "AgentPlan",
    "CampaignPlan",
    "FloorPlan",
    "Habits",
    "ServicePlan",
    "Shift",
]

NOTHING, NEVER = Fixed(0), Fixed(math.inf)
RING = Lognormal(2.3, 0.5)
RINGS, MESSAGE = Lognormal(2.8, 0.2), Lognormal(3.3, 0.4, 120.0)
HOLD, CONSULT, PASSING = Lognormal(3.4, 0.6), Lognormal(3.9, 0.5), Lognormal(2.0, 0.4)
PREVIEW = Exponential(20.0)

DAY = 86_400  # seconds
HALF_HOUR = 1_800


@dataclass(frozen=True)
class ServicePlan:
    """A queue: who calls it, how often, and how long a call takes; seconds.

    ``calls_an_hour`` has one number for each half hour of the day, or one for always; none for
    a service that only calls out. ``overflows_to`` takes callers who have waited too long, and
    those whom an agent passes on.
    """

    name: str
    talk: Distribution
    wrap_up: Distribution = NOTHING
    patience: Distribution = NEVER
    calls_an_hour: Sequence[float] = ()
    ivr: Distribution = NOTHING
    gives_up_in_ivr: float = 0.0
    priorities: Sequence[float] = (1.0,)
    overflows_to: Sequence[str] = ()
    sla_seconds: int = 20

    def rate(self, clock: float) -> float:
        """Calls per hour at a time of day."""
        rates = self.calls_an_hour
        return rates[int(clock // HALF_HOUR) % len(rates)]


@dataclass(frozen=True)
class CampaignPlan:
    """A list of people to call for a service, and the messages that go with it.

    ``records`` are loaded each day, by time zone; a person is called when it is between 8 and
    21 o'clock there. ``lines_an_agent`` are dialed for each agent who is ready (pacing), 0 where
    the agents dial themselves. Messages are an hour's.
    """

    name: str
    service: str
    records: Mapping[str, int]
    lines_an_agent: float = 0.0
    answers: float = 0.35  # of those who are called
    ring: Distribution = RING
    texts_an_hour: float = 0.0
    emails_an_hour: float = 0.0


@dataclass(frozen=True)
class Shift:
    """When an agent is there, by time of day."""

    begins: int
    ends: int


@dataclass(frozen=True)
class AgentPlan:
    """One agent; without a shift, always there.

    ``skills`` are further services whose calls are taken when none waits for ``service``.
    ``campaign`` is the list that the agent dials alone, after a look (preview) or without.
    ``desk`` is the source that tells of the agent.
    """

    login: str
    service: str
    name: str | None = None
    skills: Sequence[str] = ()
    team: int | None = None
    shift: Shift | None = None
    desk: int = 0
    campaign: str | None = None
    mode: Literal["acd", "preview", "manual"] = "acd"


@dataclass(frozen=True)
class Habits:
    """How often what happens; shares of calls, unless said otherwise. All 0: Erlang's floor."""

    hold: float = 0.0
    consult: float = 0.0
    passed_on: float = 0.0
    overflow: float = 0.0
    overflow_after: float = 120.0  # seconds
    leaves: float = 0.0  # callers who leave a message when they have waited for a while
    leaves_after: float = 60.0  # seconds
    identified_late: float = 0.0  # callers whose account is known after the voice menu only
    misses: float = 0.0  # offers that an agent lets ring until they go back to the queue
    dispositions: float = 0.0
    breaks: bool = False
    ring_time: Distribution = RINGS
    message_time: Distribution = MESSAGE
    hold_time: Distribution = HOLD
    consult_time: Distribution = CONSULT
    passing_time: Distribution = PASSING
    preview_time: Distribution = PREVIEW


@dataclass(frozen=True)
class FloorPlan:
    """A whole floor."""

    services: Mapping[str, ServicePlan]
    agents: Sequence[AgentPlan]
    campaigns: Sequence[CampaignPlan] = ()
    habits: Habits = field(default_factory=Habits)
