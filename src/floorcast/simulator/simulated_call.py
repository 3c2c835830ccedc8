"""One simulated call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from floorcast.simulator.people import Person

__all__ = ["Call", "Direction", "Disposed"]

Direction = Literal["INBOUND", "OUTBOUND", "MANUAL"]


@dataclass(frozen=True, slots=True)
class Disposed:
    """The latest term code of a call, with the agent and service that it counts for."""

    login: str
    service: str
    code: str


@dataclass(slots=True, eq=False)
class Call:
    """A call in progress. Times are in ms of the simulation.

    ``been`` has the services whose queues it joined. ``waits`` counts its waits, so that a timer of
    an earlier wait can be recognized and ignored. ``left`` is when the caller left the queue to
    leave a message. ``is_identified`` is true if the caller is known from the start.
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
    been: tuple[str, ...] = ()
    left: int | None = None
    is_identified: bool = True
    disposed: Disposed | None = None
