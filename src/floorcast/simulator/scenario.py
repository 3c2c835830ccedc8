"""The plan of a simulated floor, with its services, campaigns, agents and habits.

A plan contains only data. ``floor_sizing.py`` creates plans for a number of agents, and tests
define their own. Times of day are in seconds since midnight at the floor.
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
DIAL_RING = Lognormal(2.3, 0.5)
OFFER_RING, MESSAGE = Lognormal(2.8, 0.2), Lognormal(3.3, 0.4, 120.0)
HOLD, CONSULT, TRANSFER = Lognormal(3.4, 0.6), Lognormal(3.9, 0.5), Lognormal(2.0, 0.4)
PREVIEW = Exponential(20.0)

DAY_SECONDS = 86_400
HALF_HOUR = 1_800


@dataclass(frozen=True)
class ServicePlan:
    """A service's arrival rate and durations, which are in seconds.

    ``calls_per_hour`` has one number for each half hour of the day, one for the whole day, or none
    for an outbound service. ``overflows_to`` has the services for callers who have waited too long
    and for calls that an agent transfers.
    """

    name: str
    talk: Distribution
    wrap_up: Distribution = NOTHING
    patience: Distribution = NEVER
    calls_per_hour: Sequence[float] = ()
    ivr: Distribution = NOTHING
    gives_up_in_ivr: float = 0.0
    priorities: Sequence[float] = (1.0,)
    overflows_to: Sequence[str] = ()
    sla_seconds: int = 20

    def rate(self, clock: float) -> float:
        """Return the calls per hour at a time of day."""
        rates = self.calls_per_hour
        return rates[int(clock // HALF_HOUR) % len(rates)]


@dataclass(frozen=True)
class CampaignPlan:
    """A list of people to call for a service, and the messages that are sent.

    ``records`` maps time zones to the number of people, who are loaded every day and called between
    8:00 and 21:00 local time. ``lines_per_agent`` is the number of lines dialed per ready agent
    (pacing), or 0 if the agents dial. The message rates are per hour.
    """

    name: str
    service: str
    records: Mapping[str, int]
    lines_per_agent: float = 0.0
    answers: float = 0.35  # share of the calls
    ring: Distribution = DIAL_RING
    texts_per_hour: float = 0.0
    emails_per_hour: float = 0.0


@dataclass(frozen=True)
class Shift:
    """An agent's working hours."""

    begins: int
    ends: int


@dataclass(frozen=True)
class AgentPlan:
    """One agent. Without a shift, the agent is always present.

    ``skills`` are further services. The agent answers their calls if no call waits for ``service``.
    ``campaign`` is the list that the agent dials without the dialer, with or without a preview.
    ``desk`` is the number of the source that sends the agent's events.
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
    """The frequency of each behavior, as a share of calls unless noted otherwise.

    If all of them are 0, the floor follows Erlang's model.
    """

    hold: float = 0.0
    consult: float = 0.0
    passed_on: float = 0.0
    overflow: float = 0.0
    overflow_after: float = 120.0  # seconds
    leaves: float = 0.0  # callers who leave a voicemail after a while
    leaves_after: float = 60.0  # seconds
    identified_late: float = 0.0  # callers who are identified only after the voice menu
    misses: float = 0.0  # offered calls that ring until they return to the queue
    dispositions: float = 0.0
    breaks: bool = False
    ring_time: Distribution = OFFER_RING
    message_time: Distribution = MESSAGE
    hold_time: Distribution = HOLD
    consult_time: Distribution = CONSULT
    passing_time: Distribution = TRANSFER
    preview_time: Distribution = PREVIEW


@dataclass(frozen=True)
class FloorPlan:
    """The plan of a whole floor."""

    services: Mapping[str, ServicePlan]
    agents: Sequence[AgentPlan]
    campaigns: Sequence[CampaignPlan] = ()
    habits: Habits = field(default_factory=Habits)
