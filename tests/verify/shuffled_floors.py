"""Draws random half hours on a floor, whose events arrive in a random order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from floorcast.verify.verification import StoredEntry
from tests.verify.recomputing import NOON, Event, call, event, in_call, log_entries

__all__ = ["IN_TIME", "KINDS", "TOO_LATE", "Arrivals", "Pace", "arrivals"]

SERVICES = st.sampled_from([10, 20, 30])
AGENTS = st.sampled_from(["ANN", "BOB", 9])
STATES = st.sampled_from(
    [
        "LOGON", "READY", "READY", "NOT_READY", "IN_CALL", "IN_CALL", "IN_CALL", "AGENT_HOLD",
        "AGENT_RESUMED", "WRAP_UP", "WRAP_UP", "LOGOFF", "PREVIEW_DIAL_OFFERED",
        "PREVIEW_DIAL_SKIPPED", "DIALING", "AGENT_TRANSFER_INITIATED_AGENT2",
        "AGENT_TRANSFER_COMPLETE_AGENT2",
    ]
)  # fmt: skip
KINDS = ("start", "queue", "queue", "answer", "end", "disposition", "leave", "update", "missed")
REASONS = st.sampled_from(["TIMEOUT", "TRANSFER"])


class Pace(NamedTuple):
    """The seconds between events, and the seconds until an event arrives."""

    pauses: st.SearchStrategy[float]
    delays: st.SearchStrategy[float]


IN_TIME = Pace(
    st.sampled_from([0.001, 0.5, 1, 5, 20, 61]),
    st.sampled_from([0, 0, 0, 0.5, 5, 60, 400, 830]),
)
TOO_LATE = Pace(
    st.sampled_from([0.001, 0.5, 20, 61, 800, 1000]),
    st.sampled_from([0, 0, 0, 0.5, 60, 830, 1000, 2500]),
)


class Arrivals(NamedTuple):
    """The same events by their own times and by their arrival, and a time (ms) after them all."""

    in_order: list[StoredEntry]
    shuffled: list[StoredEntry]
    now: int


@st.composite
def call_events(draw: st.DrawFn, seconds: float, kinds: Sequence[str]) -> Event:
    kind, number = draw(st.sampled_from(kinds)), draw(st.integers(1, 4))
    data: dict[str, Any] = {}
    if kind == "missed":
        who = {"agent": draw(AGENTS), "reason": "NO_ANSWER", "ringSeconds": 9}
        return event("agent.missed", seconds, {**in_call(number)["call"], **who})
    if kind == "start":
        data = {"service": draw(SERVICES), "callerId": draw(st.sampled_from(["1", "2"]))}
        data["direction"] = draw(st.sampled_from(["INBOUND", "OUTBOUND", "MANUAL"]))
    elif kind == "queue":
        data = {"service": draw(SERVICES)} if draw(st.booleans()) else {}
        data["priority"] = draw(st.integers(1, 3))
    elif kind == "update":
        data = {"account": draw(st.sampled_from("ab"))}
        data |= {"service": draw(SERVICES)} if draw(st.booleans()) else {}
    elif kind == "leave":
        data["reason"] = draw(REASONS)
    elif kind == "disposition":
        data["termCode"] = draw(st.sampled_from(["RPC", "WPC", "RPC_INCOMPLETE", "x"]))
    if kind in ("answer", "disposition") and draw(st.booleans()):
        data["agent"] = draw(AGENTS)
    return call(kind, seconds, number, **data)


@st.composite
def agent_events(draw: st.DrawFn, seconds: float) -> Event:
    kind = draw(STATES)
    data: dict[str, Any] = {}
    if draw(st.booleans()):
        data["service"] = draw(SERVICES)
    elif draw(st.integers(0, 3)) == 0:
        data["services"] = draw(st.lists(SERVICES, min_size=1, max_size=3))
    if kind == "NOT_READY":
        data["reason"] = draw(st.sampled_from(["LUNCH", "VOICE_MAIL", "?"]))
    if kind in ("IN_CALL", "WRAP_UP", "AGENT_HOLD") and draw(st.booleans()):
        data |= in_call(draw(st.integers(1, 4)))
    return event("agent.state", seconds, {"agent": draw(AGENTS), "eventType": kind, **data})


@st.composite
def arrivals(draw: st.DrawFn, kinds: Sequence[str] = KINDS, pace: Pace = IN_TIME) -> Arrivals:
    """About a dozen events, some repeated, each up to fourteen minutes late if ``IN_TIME``.

    ``kinds`` are those of calls. Agents may be logged in to several services.
    """
    events: list[tuple[float, Event]] = []
    seconds = 0.0
    # one source for calls, one for agents
    behind = {True: draw(pace.delays), False: draw(pace.delays)}
    for _ in range(draw(st.integers(1, 30))):
        seconds += draw(pace.pauses)
        is_call = draw(st.booleans())
        one = draw(call_events(seconds, kinds) if is_call else agent_events(seconds))
        for _ in range(2 if draw(st.integers(0, 9)) == 9 else 1):
            delay = draw(pace.delays) if draw(st.integers(0, 2)) == 2 else behind[is_call]
            events.append((seconds + delay, one))
    shuffled = sorted(events, key=lambda one: one[0])
    end = max(seconds + 840, shuffled[-1][0])
    return Arrivals(
        log_entries((one.at, one) for _, one in events),
        log_entries((NOON + round(when * 1000), one) for when, one in shuffled),
        NOON + round((end + draw(st.sampled_from([0, 7.5, 1800, 5000]))) * 1000),
    )
