"""One simulated call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from floorcast.simulator.people import Person

__all__ = ["Direction", "Disposition", "SimulatedCall"]

Direction = Literal["INBOUND", "OUTBOUND", "MANUAL"]


@dataclass(frozen=True, slots=True)
class Disposition:
    """A call's latest term code, with the agent and the service for which it counts."""

    login: str
    service: str
    code: str


@dataclass(slots=True, eq=False)
class SimulatedCall:
    """A call in progress. Times are in ms on the simulation's clock.

    ``visited`` has the services whose queues the call has joined. ``waits`` is the number of waits.
    A timer from an earlier wait has a lower number and is ignored. ``left`` is the time at
    which the caller left the queue for voicemail. ``is_identified`` is true if the caller is known
    from the start.
    """

    transaction: int
    session: str
    service: str
    direction: Direction
    person: Person
    priority: int = 0
    campaign: str | None = None
    ivr: int = 0
    joined: int | None = None
    answered: int | None = None
    waiting: bool = False
    waits: int = 0
    visited: tuple[str, ...] = ()
    left: int | None = None
    is_identified: bool = True
    disposition: Disposition | None = None
