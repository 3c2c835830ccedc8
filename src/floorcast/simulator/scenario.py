"""The plan of a simulated floor, with its services, campaigns, agents and habits.

A plan is data. ``floor_sizing.py`` makes a plan of a given size; tests write theirs by hand. Times
of day are seconds since midnight at the floor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from floorcast.simulator.distributions import Distribution, Exponential, Fixed, Lognormal

__all__ = [
    "DAY_SECONDS",
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

DAY_SECONDS = 86_400
HALF_HOUR = 1_800


@dataclass(frozen=True)
class ServicePlan:
    """A queue's arrival rate and the durations of its calls, in seconds.

    ``calls_an_hour`` has one number for each half hour of the day, or one for the whole day, or
    none for an outbound service. ``overflows_to`` is the service for callers who have waited too
    long and for calls that an agent passes on.
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
        """Return the calls per hour at a time of day."""
        rates = self.calls_an_hour
        return rates[int(clock // HALF_HOUR) % len(rates)]


@dataclass(frozen=True)
class CampaignPlan:
    """A list of people to call for a service, and its messages.

    ``records`` are loaded each day, by time zone. A person is called between 8:00 and 21:00 local
    time. ``lines_an_agent`` is the number of lines dialed per ready agent (pacing), 0 if the agents
    dial. Messages are per hour.
    """

    name: str
    service: str
    records: Mapping[str, int]
    lines_an_agent: float = 0.0
    answers: float = 0.35  # share of the calls
    ring: Distribution = RING
    texts_an_hour: float = 0.0
    emails_an_hour: float = 0.0


@dataclass(frozen=True)
class Shift:
    """An agent's working hours."""

    begins: int
    ends: int


@dataclass(frozen=True)
class AgentPlan:
    """One agent. Without a shift, the agent is always present.

    ``skills`` are further services whose calls the agent answers when none waits for ``service``.
    ``campaign`` is the list that the agent dials alone, with or without a preview. ``desk`` is the
    source that sends the agent's events.
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
    """The frequency of each behavior, as a share of calls unless noted.

    With all 0, the floor follows Erlang's model.
    """

    hold: float = 0.0
    consult: float = 0.0
    passed_on: float = 0.0
    overflow: float = 0.0
    overflow_after: float = 120.0  # seconds
    leaves: float = 0.0  # callers who leave a message after a while
    leaves_after: float = 60.0  # seconds
    identified_late: float = 0.0  # callers whose account is known only after the voice menu
    misses: float = 0.0  # offers that ring until they return to the queue
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
