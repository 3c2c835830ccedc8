"""One simulated call, from the first ring to the last word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from floorcast.simulator.people import Person

__all__ = ["Call", "Direction", "Disposed"]

Direction = Literal["INBOUND", "OUTBOUND", "MANUAL"]


@dataclass(frozen=True, slots=True)
class Disposed:
    """The latest term code of a call, for whom and for which service it counts."""

    login: str
    service: str
    code: str


@dataclass(slots=True, eq=False)
class Call:
    """A call in progress; moments in ms of the simulation.

    ``been`` are the services whose queues it joined. ``waits`` counts its waits: a clock that was
    set for an earlier one is known by it, and does nothing. ``left`` is when the caller left the
    queue to leave a message; ``is_identified``: who calls is known from the beginning.
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
