"""Draws the events of calls that move between a visible service and a hidden one."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from floorcast.model.inbound import InboundEvent
from tests.floor.random_floors import agent, call

__all__ = ["HIDDEN", "SEEN", "moving_calls"]

SEEN, HIDDEN = 10, 20
SERVICES = st.sampled_from([SEEN, HIDDEN])
AGENTS = st.sampled_from(["ANN", "BOB"])
Json = dict[str, Any]
KINDS = (
    "start", "queue", "queue", "update", "IN_CALL", "IN_CALL", "AGENT_HOLD", "WRAP_UP", "answer",
    "disposition", "end",
)  # fmt: skip
MEMBERS = {
    "start": ("account", "callerId", "phoneDialed", "zipCode", "priority", "totalDue", "consumer"),
    "update": ("account", "callerId", "phoneDialed", "zipCode", "priority", "totalDue", "consumer"),
    "queue": ("skill", "priority"),
    "disposition": ("account", "termCode"),
    "end": ("account", "phoneDialed", "lvResult"),
}
NUMBERS = ("priority", "totalDue")


def values(names: list[str], salt: int) -> Json:
    """Return a value for each of the members."""
    found: Json = {name: salt if name in NUMBERS else f"{name}{salt}" for name in names}
    if "consumer" in found:
        found["consumer"] = {"firstName": f"first{salt}", "lastName": f"last{salt}"}
    return found


def step(draw: st.DrawFn, at_service: dict[int, int], ended: set[int]) -> tuple[str, int, Json]:
    """Draw the kind of an event, its call, and its members apart from the call's values.

    ``at_service`` has the service of each call that has begun. A call stays where it ended.
    """
    kind, number = draw(st.sampled_from(KINDS)), draw(st.integers(1, 3))
    data: Json = {}
    if number not in at_service:
        kind = "queue" if kind == "queue" else "start"
    elif kind == "start" or (kind == "queue" and number in ended):
        kind = "update"
    if number not in at_service or (kind == "queue" and draw(st.booleans())):
        data["service"] = at_service[number] = draw(SERVICES)
    if kind == "start":
        data["direction"] = draw(st.sampled_from(["INBOUND", "OUTBOUND"]))
    if kind in ("answer", "disposition") and draw(st.booleans()):
        data["agent"] = draw(AGENTS)
    if kind == "end":
        ended.add(number)
    return kind, number, data


@st.composite
def moving_calls(draw: st.DrawFn) -> list[InboundEvent]:
    """Draw up to 25 events of three calls and two agents, who serve one service each, in order."""
    events = [agent("LOGON", 0, "ANN", service=SEEN), agent("LOGON", 0, "BOB", service=HIDDEN)]
    at_service: dict[int, int] = {}
    ended = set[int]()
    seconds = 1.0
    for salt in range(1, draw(st.integers(2, 26))):
        seconds += draw(st.sampled_from([0.5, 7]))
        kind, number, data = step(draw, at_service, ended)
        who = draw(AGENTS)
        names = MEMBERS.get(kind, ("phoneNumber", "account") if kind.isupper() else ())
        more = values([name for name in names if draw(st.booleans())], salt)
        if kind.isupper():
            named = {"transactionId": number, "sessionId": f"S{number}", **more}
            events.append(agent(kind, seconds, who, call=named))
        else:
            events.append(call(f"call.{kind}", seconds, number, **data, **more))
    return events
