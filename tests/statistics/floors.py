"""Makes floors with events at given times, and requests for these floors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from floorcast.floor.calls import Call
from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState
from floorcast.floor.view import FloorView
from floorcast.model.inbound import InboundEvent, milliseconds
from floorcast.site.configuration import FloorConfig
from floorcast.statistics.requests import ServiceFilter
from floorcast.statistics.visibility import CallCenterLimits, Moment, Scope, Visibility
from tests.floor.random_floors import MIDDAY

__all__ = [
    "agent_at",
    "as_json",
    "at",
    "call_at",
    "event_at",
    "fold_events",
    "moment_at",
    "only",
    "scopes",
    "visible",
]

R = TypeVar("R")
_decoder = msgspec.json.Decoder(InboundEvent)


def event_at(kind: str, when: str | int, **data: object) -> InboundEvent:
    """Return an event at an ISO time with an offset or at epoch ms."""
    if isinstance(when, int):
        when = datetime.fromtimestamp(when / 1000, MIDDAY.tzinfo).isoformat()
    raw = {"specversion": "1.0", "id": "x", "source": "test", "type": kind, "time": when}
    event: InboundEvent = _decoder.decode(msgspec.json.encode({**raw, "data": data}))
    return event


def call_at(kind: str, when: str | int, number: int = 1, **data: object) -> InboundEvent:
    """Return an event about call ``number``."""
    return event_at(f"call.{kind}", when, transactionId=number, sessionId=f"S{number}", **data)


def agent_at(kind: str, when: str | int, who: str | int = "ANN", **data: object) -> InboundEvent:
    """Return an event by which an agent enters a state."""
    return event_at("agent.state", when, agent=who, eventType=kind, **data)


def at(when: str) -> int:
    """Convert an ISO time with an offset to epoch ms."""
    return milliseconds(datetime.fromisoformat(when))


def fold_events(plan: FloorConfig, events: Iterable[InboundEvent], client: int = 1) -> Floor:
    """Return a floor that received each event at its own time, or just after the previous event."""
    floor = Floor(FloorState(client=client))
    evicted = floor.call_table.evicted
    left: list[Call] = []
    recorded_at = 0
    for number, event in enumerate(events, 2):
        own = 0 if event.time is None else milliseconds(event.time) * 10_000
        recorded_at = max(own, recorded_at + 1)
        if number == 2:
            floor.begin_entry(1, recorded_at - 1)
            floor.apply(plan)
        floor.begin_entry(number, recorded_at)
        if evicted:  # clear it as the runner does, because every entry goes through all of it
            left += evicted
            evicted.clear()
        floor.fold(event, recorded_at, "-")
    evicted += left
    return floor


def scopes(floor: Floor, *services: int) -> list[Scope]:
    """Return the scopes that a filter of these services selects, or all scopes without services."""
    return visible(floor).scopes(ServiceFilter(services=frozenset(services)))


def visible(
    *floors: Floor, limits: CallCenterLimits = None, rows: int = 100, large: int = 2_000
) -> Visibility:
    """Return what a user of these floors may see. Each turn reads ``rows`` rows.

    A service with more than ``large`` calls or agents is read in several turns.
    """
    return Visibility([FloorView(floor) for floor in floors], limits, rows, large=large)


def moment_at(seconds: float) -> Moment:
    """Return the moment ``seconds`` after noon."""
    return Moment(int((MIDDAY.timestamp() + seconds) * 1000))


def as_json(answer: object) -> dict[str, Any]:
    """Return a response as it is decoded from its JSON."""
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer))
    return decoded


def only(rows: Sequence[R]) -> R:
    """Return the only row."""
    (row,) = rows
    return row
