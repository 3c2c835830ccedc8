"""Draws random logs around midnight, with late events, unknown names and site changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace

from floorcast.site.configuration import Agent, CallCenter, FloorConfig, Service, TermCode
from floorcast.verify.verification import StoredEntry

__all__ = ["MIDNIGHT", "PLAN", "Day", "days", "logs"]

MIDNIGHT = datetime(2026, 11, 23, 5, tzinfo=UTC)  # in New York
PLAN = FloorConfig(
    time_zone="America/New_York",
    call_centers=(CallCenter(id=1, name="North"), CallCenter(id=2, name="South")),
    services=(
        Service(id=10, name="Sales", call_center=1, sla_seconds=20),
        Service(id=20, name="Support", call_center=2, short_abandon_seconds=5),
        Service(id=30, name="Care", service_level="with_abandons_within_sla"),
    ),
    agents=(Agent(id=7, login="ANN", name="Ann"), Agent(id=8, login="BOB")),
)
OTHER_PLAN = FloorConfig(
    time_zone="America/New_York",
    call_centers=(CallCenter(id=1, name="North End"),),
    services=(
        Service(id=10, name="Sales", call_center=1, sla_seconds=300),
        Service(id=20, name="Help", call_center=1, service_level="answered_of_answered"),
    ),
    agents=(Agent(id=7, login="ANNA", name="Ann"), Agent(id=9, login="NINE")),
    term_codes=(TermCode(code="x", category="rpcComplete"),),
)
SERVICES = st.sampled_from([10, 20, "Sales", "Support", "Elsewhere", "30", 44, "Help"])
AGENTS = st.sampled_from(["ANN", "BOB", 9, "10", "New One", "NINE"])
CAMPAIGNS = st.sampled_from([5, "5", "Spring", "Autumn"])
AGENT_EVENT_TYPES = (
    "LOGON", "READY", "NOT_READY", "IN_CALL", "IN_CALL", "AGENT_HOLD", "AGENT_RESUMED",
    "WRAP_UP", "WRAP_UP", "LOGOFF", "PREVIEW_DIAL_OFFERED", "PREVIEW_DIAL_SKIPPED", "DIALING",
    "AGENT_TRANSFER_INITIATED_AGENT2", "AGENT_TRANSFER_COMPLETE_AGENT2",
)  # fmt: skip
HOUR = 3_600_000

_maybe_text = st.sampled_from([None, "a", "b"])
_steps = st.sampled_from([0, 1, 999, 5_000, 20_000, 61_000, 400_000, HOUR, 5 * HOUR])
_lateness = st.sampled_from([0, 0, 0, 0, 1, 30_000, 3 * HOUR, 9 * HOUR, -200_000])


class Day(NamedTuple):
    """A log and the time (ms) at which it is verified."""

    entries: list[StoredEntry]
    now: int


@st.composite
def call_events(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    kind = draw(st.sampled_from(["start", "queue", "queue", "answer", "end", "disposition"]))
    number = draw(st.integers(1, 4))
    data: dict[str, object] = {"transactionId": number, "sessionId": f"S{number}"}
    if kind == "start":
        data["service"] = draw(SERVICES)
        data["direction"] = draw(st.sampled_from(["INBOUND", "OUTBOUND", "MANUAL"]))
        data |= {"callerId": draw(_maybe_text), "phoneDialed": draw(_maybe_text)}
        data["campaign"] = draw(st.none() | CAMPAIGNS)
        data["consumer"] = draw(st.sampled_from([None, {"firstName": "Will"}, {"lastName": "X"}]))
    if kind in ("start", "end", "disposition"):
        data["account"] = draw(_maybe_text)
    if kind in ("queue", "end"):
        data["service"] = draw(st.none() | SERVICES)
        data["priority"] = draw(st.sampled_from([None, 1, 308]))
    if kind == "queue":
        data["skill"] = draw(st.sampled_from([None, "French", 12]))
    if kind in ("answer", "disposition", "end"):
        data["agent"] = draw(st.none() | AGENTS)
    if kind == "end":
        data["campaign"] = draw(st.none() | CAMPAIGNS)
        data["callDirection"] = draw(st.sampled_from([None, None, "INBOUND"]))
    if kind == "disposition":
        data["termCode"] = draw(st.sampled_from([None, "RPC", "WPC", "RPC_INCOMPLETE", "x"]))
    return f"call.{kind}", {name: value for name, value in data.items() if value is not None}


@st.composite
def agent_events(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    data: dict[str, object] = {
        "agent": draw(AGENTS),
        "eventType": draw(st.sampled_from(AGENT_EVENT_TYPES)),
    }
    if draw(st.booleans()):
        data["service"] = draw(SERVICES)
    if not draw(st.integers(0, 3)):
        data["services"] = draw(st.lists(SERVICES, min_size=1, max_size=3))
    if data["eventType"] == "NOT_READY":
        data["reason"] = draw(st.sampled_from(["LUNCH", "MEETING", "VOICE_MAIL", "?"]))
    if draw(st.integers(0, 2)) == 0:
        number = draw(st.integers(1, 4))
        call: dict[str, object] = {"transactionId": str(number)}
        if draw(st.integers(0, 5)):
            call["sessionId"] = f"S{number}"
        if draw(st.booleans()):
            call |= {"service": draw(SERVICES), "direction": "OUTBOUND", "phoneNumber": "650"}
        data["call"] = call
    data["monitored"] = draw(st.sampled_from([None, True, False]))
    data["team"] = draw(st.sampled_from([None, "Red", 3]))
    data["agent2"] = draw(st.sampled_from([None, None, "New Two", "ANN"]))
    data["skill"] = draw(_maybe_text)
    return "agent.state", {name: value for name, value in data.items() if value is not None}


@st.composite
def campaign_events(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    data: dict[str, object] = {"campaign": draw(CAMPAIGNS), "service": draw(st.none() | SERVICES)}
    data["state"] = draw(st.sampled_from([None, "PLAYING", "PAUSED", "DEACTIVATED"]))
    for count in ("loaded", "remaining", "dialable", "uploaded", "completed"):
        data[count] = draw(st.sampled_from([None, 0, 3, 100]))
    data["timezones"] = draw(st.sampled_from([None, {"ET": 4}, {"GU": 1, "XX": 2}]))
    data["name"] = draw(st.sampled_from([None, None, "Spring", "Renamed"]))
    return "campaign.update", {name: value for name, value in data.items() if value is not None}


@st.composite
def message_events(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    kind = draw(st.sampled_from(["email.attempt", "sms.attempt"]))
    return kind, {
        "service": draw(SERVICES),
        "eventType": "Attempt",
        "campaign": draw(CAMPAIGNS),
    }


@st.composite
def logs(draw: st.DrawFn, plan: FloorConfig = PLAN, begin: datetime = MIDNIGHT) -> Day:
    """Draw a log with a site entry and a few dozen events after it."""
    at = int(begin.timestamp() * 1000) - draw(st.sampled_from([0, HOUR, 6 * HOUR, 20 * HOUR]))
    entries = [StoredEntry(1, at * 10_000, "site", msgspec.json.encode(plan))]
    events = st.lists(
        call_events() | call_events() | agent_events() | agent_events() | campaign_events()
        | message_events(),
        max_size=4,
    )  # fmt: skip
    for number in range(2, 2 + draw(st.integers(1, 14))):
        at += draw(_steps)
        if draw(st.integers(0, 15)) == 15:
            changed = replace(OTHER_PLAN, time_zone=plan.time_zone)
            moved = replace(plan, agents=(Agent(id=70, login="ANN"), Agent(id=8, login="BOB")))
            other = msgspec.json.encode(draw(st.sampled_from([plan, changed, moved])))
            entries.append(StoredEntry(number, at * 10_000 + number, "site", other))
            continue
        lines = [_line(kind, at - draw(_lateness), data) for kind, data in draw(events)]
        payload = b"\n".join(lines)
        entries.append(StoredEntry(number, at * 10_000 + number, "events", payload))
    return Day(entries, at + draw(st.sampled_from([1, 0, 7, 999, 40_000, 2 * HOUR, 13 * HOUR])) + 1)


def _line(kind: str, at: int, data: dict[str, object]) -> bytes:
    when = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).isoformat()
    event = {"specversion": "1.0", "id": "x", "source": "s", "type": kind, "time": when}
    return msgspec.json.encode({**event, "data": data})


days = logs()
