"""Random events of a few calls and agents on one day, for property tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState
from floorcast.model.inbound import InboundEvent
from floorcast.model.token import TICKS_PER_MS
from floorcast.site.configuration import Agent, CallCenter, FloorConfig, Service

MIDDAY = datetime(2026, 11, 23, 17, tzinfo=UTC)  # noon in New York
PLAN = FloorConfig(
    time_zone="America/New_York",
    feeds=("agent", "interaction"),
    call_centers=(CallCenter(id=1, name="North"),),
    services=(
        Service(id=10, name="Sales", call_center=1, sla_seconds=20),
        Service(id=20, name="Support", call_center=1, short_abandon_seconds=5),
    ),
    agents=(Agent(id=7, login="ANN"), Agent(id=8, login="BOB")),
)
CALL_KINDS = ("call.start", "call.queue", "call.answer", "call.end", "call.disposition")
AGENT_KINDS: tuple[str, ...] = (
    "LOGON",
    "READY",
    "NOT_READY",
    "IN_CALL",
    "AGENT_HOLD",
    "AGENT_RESUMED",
    "WRAP_UP",
    "LOGOFF",
    "PREVIEW_DIAL_OFFERED",
    "PREVIEW_DIAL_SKIPPED",
)

SERVICES = st.sampled_from([10, 20, "Sales", "Elsewhere"])
AGENTS: st.SearchStrategy[str | int] = st.sampled_from(["ANN", "BOB", 9])
_decoder = msgspec.json.Decoder(InboundEvent)


def event(kind: str, seconds: float, **data: object) -> InboundEvent:
    """Return an event ``seconds`` after noon."""
    at = (MIDDAY + timedelta(seconds=seconds)).isoformat()
    raw = {"specversion": "1.0", "id": "x", "source": "test", "type": kind, "time": at}
    decoded: InboundEvent = _decoder.decode(msgspec.json.encode({**raw, "data": data}))
    return decoded


def call(kind: str, seconds: float, number: int = 1, **data: object) -> InboundEvent:
    """Return an event of call ``number``."""
    return event(kind, seconds, transactionId=number, sessionId=f"S{number}", **data)


def agent(kind: str, seconds: float, who: str | int = "ANN", **data: object) -> InboundEvent:
    """Return an ``agent.state`` event."""
    return event("agent.state", seconds, **{"agent": who, "eventType": kind, **data})


@st.composite
def call_events(draw: st.DrawFn) -> InboundEvent:
    """Draw an event of one of four calls, with any subset of its members."""
    kind = draw(st.sampled_from(CALL_KINDS))
    data: dict[str, Any] = {}
    if kind == "call.start":
        data["service"] = draw(SERVICES)
        data["direction"] = draw(st.sampled_from(["INBOUND", "OUTBOUND", "MANUAL"]))
    if kind == "call.queue" and draw(st.booleans()):
        data["service"] = draw(SERVICES)
    if kind in ("call.answer", "call.disposition") and draw(st.booleans()):
        data["agent"] = draw(AGENTS)
    if kind == "call.disposition":
        data["termCode"] = draw(st.sampled_from(["RPC", "WPC", "RPC_INCOMPLETE", "x"]))
    return call(kind, draw(st.integers(0, 200)), draw(st.integers(1, 4)), **data)


@st.composite
def agent_events(draw: st.DrawFn) -> InboundEvent:
    """Draw an agent's event, which may name a call."""
    data: dict[str, Any] = {}
    who: str | int = draw(AGENTS)
    if draw(st.booleans()):
        data["service"] = draw(SERVICES)
    kind = draw(st.sampled_from(AGENT_KINDS))
    if kind == "NOT_READY":
        data["reason"] = draw(st.sampled_from(["LUNCH", "VOICE_MAIL", "?"]))
    if kind in ("IN_CALL", "WRAP_UP") and draw(st.booleans()):
        number = draw(st.integers(1, 4))
        data["call"] = {"transactionId": number, "sessionId": f"S{number}"}
    return agent(kind, draw(st.integers(0, 200)), who, **data)


@st.composite
def missed_offers(draw: st.DrawFn) -> InboundEvent:
    """Draw an event of an agent that misses a call."""
    number = draw(st.integers(1, 4))
    return call("agent.missed", draw(st.integers(0, 200)), number, agent="ANN", reason="NO_ANSWER")


def new_floor(plan: FloorConfig = PLAN) -> Floor:
    """Return an empty floor with the configuration ``plan``."""
    floor = Floor(FloorState(client=1))
    floor.begin_entry(1, ticks(0))
    floor.apply(plan)
    return floor


def ticks(seconds: float) -> int:
    """Return the log's time ``seconds`` after noon, in ticks."""
    return int((MIDDAY.timestamp() + seconds) * 1000) * TICKS_PER_MS


def fold_all(floor: Floor, events: list[InboundEvent], begin: int = 2) -> list[Any]:
    """Fold each event as a separate entry, one second apart. Return the events for the feeds."""
    fed = []
    for number, one in enumerate(events, begin):
        floor.begin_entry(number, ticks(200 + number))
        floor.note_source_events([one])
        fed.append(floor.fold(one, ticks(200 + number), f"id-{number}"))
    return fed
