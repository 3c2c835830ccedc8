"""Tests that the reference's requests for statistics get the printed responses.

Each request is sent to a floor whose events lead to the printed figures. Most responses are
therefore equal to the printed ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from floorcast.http.openapi.examples import load
from floorcast.model import token as tokens
from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import Agent, CallCenter, FloorConfig, Service
from tests.http.servers import ACME, ApiHarness, run_with_harness
from tests.statistics.floors import agent_at, call_at, event_at, fold_events
from tests.virtual_time import START

NOW = START // 10_000  # ms: 17:13:20 in New York
ONE = {"filter": {"service": [{"id": "38049"}]}}
PLAN = FloorConfig(
    time_zone="America/New_York",
    call_centers=(CallCenter(id=1623, name="Call Center"),),
    services=(
        Service(id=23068, name="Outbound", call_center=1623),
        Service(
            id=38049,
            name="Manual (Manual 4)",
            call_center=1623,
            pacing_method="Max CIP",
            throttle="750",
            units="calls",
            max_hold_time=30,
        ),
        Service(id=1008351, name="Campaigns", call_center=1623),
    ),
    agents=(
        Agent(id=1, login="VKUMARK", name="VINAY K"),
        Agent(id=2, login="SEBY", name="LIVE VOX"),
        Agent(id=3, login="1AMBY", name="QA PASS1234"),
    ),
)


def response_of(
    path: str, body: object, events: Iterable[InboundEvent], plan: FloorConfig = PLAN
) -> dict[str, Any]:
    """Send a request to a floor with these events. Returns the response."""
    answers: list[dict[str, Any]] = []

    async def work(house: ApiHarness) -> None:
        house.floors[ACME].floor = fold_events(plan, events, ACME)
        session = await house.login()
        answer = await house.http.post(path, headers=session, json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert tokens.decode(ACME, answer.headers["feed-token"])
        answers.append(answer.json())

    run_with_harness(work)
    return answers[0]


def shape(value: object) -> object:
    """Return a response's keys, in order, with their JSON types."""
    if isinstance(value, dict):
        return [(key, shape(member)) for key, member in value.items()]
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return type(value).__name__
    return "number"


class AgentDay:
    """An agent's day, which is a sequence of states. Durations are in seconds."""

    def __init__(self, who: str, service: int, begin: int) -> None:
        self.events: list[InboundEvent] = []
        self.who, self.service, self.at = who, service, begin
        self.calls = begin

    def to(self, kind: str, seconds: int, **more: object) -> None:
        """Enter a state, and stay in it for this many seconds."""
        event = agent_at(kind, self.at, self.who, service=self.service, **more)
        self.events.append(event)
        self.at += seconds * 1000

    def outbound(self, seconds: int, code: str | None = None) -> None:
        """Talk on an outbound call. If ``code`` is given, the call gets this term code."""
        self.calls += 1
        call = {"transactionId": self.calls, "sessionId": f"S{self.calls}"}
        begin = call_at("start", self.at, self.calls, service=self.service, direction="OUTBOUND")
        self.events.append(begin)
        self.to("IN_CALL", seconds, call=call)
        self.events.append(call_at("end", self.at, self.calls))
        if code:
            said = call_at("disposition", self.at, self.calls, termCode=code, agent=self.who)
            self.events.append(said)

    def off(self) -> list[InboundEvent]:
        """Log off. Returns all events of the day."""
        self.to("LOGOFF", 0)
        return self.events


def in_time(*days: Iterable[InboundEvent]) -> list[InboundEvent]:
    """Return several agents' events, sorted by time."""
    return sorted((event for day in days for event in day), key=lambda event: str(event.time))


@pytest.mark.parametrize("path", ["/realtime/campaign/stats", "/realtime/realtime/campaign/stats"])
def test_campaign_statistics(path: str) -> None:
    """The response equals the printed response, at the correct path and at a misspelled path."""
    counts = {"AT": 2, "ET": 5, "MT": 3, "PT": 1}
    update = event_at(
        "campaign.update",
        NOW - 1000,
        campaign=103629512,
        service=1008351,
        state="PLAYING",
        loaded=11,
        uploaded=15,
        remaining=10,
        timezones=counts,
    )
    body = {"filter": {"campaign": [{"id": "103629512"}]}}
    assert json.dumps(response_of(path, body, [update])) == json.dumps(
        load("campaign_stats").answer
    )


def test_agent_averages() -> None:
    """The response equals the printed response, except for the time stamps."""
    day = AgentDay("SEBY", 38049, NOW - 60_000)
    for kind, seconds in (
        ("READY", 3),
        ("NOT_READY", 2),
        ("PREVIEW_DIAL_OFFERED", 1),
        ("IN_CALL", 5),
        ("AGENT_HOLD", 2),
        ("TRANSFERRING", 1),
        ("WRAP_UP", 1),
    ):
        day.to(kind, seconds)
    answer = response_of("/realtime/service/agents/averages", ONE, day.off())
    expected = load("agents_averages").answer
    expected["agentAverages"][0]["timeStamp"] = expected["timeStamp"] = str(NOW)
    assert json.dumps(answer) == json.dumps(expected)


def test_agent_statistics() -> None:
    """The row equals the printed row of an agent who was not ready for 68 s and is now ready."""
    day = AgentDay("VKUMARK", 38049, NOW - 68_000)
    day.to("NOT_READY", 68)
    day.to("READY", 0)
    answer = response_of("/realtime/service/agent/stats", ONE, day.events)
    expected = load("agent_stats").answer
    expected["agentStatistics"][0]["stateChangedTime"] = NOW
    assert json.dumps(answer) == json.dumps(expected)


def test_agent_statistics_ex() -> None:
    """The rows equal the printed rows of two agents who have logged off, on both services."""
    first = AgentDay("SEBY", 23068, NOW - 3_000_000)
    first.to("READY", 75)
    first.to("NOT_READY", 48, reason="OTHER")
    first.outbound(100, "RPC")
    first.outbound(56)
    first.service = 38049
    first.to("READY", 191)
    first.to("NOT_READY", 1049)
    first.to("IN_CALL", 154)
    second = AgentDay("1AMBY", 23068, NOW - 2_000_000)
    second.to("READY", 297)
    second.to("NOT_READY", 31)
    second.outbound(17, "RPC")
    second.to("WRAP_UP", 27)
    begin = call_at("start", second.at, 9, service=23068, direction="OUTBOUND")
    other = call_at("disposition", second.at, 9, termCode="RPC_INCOMPLETE", agent="1AMBY")
    events = in_time(first.off(), [*second.off(), begin, other])
    answer = response_of("/realtime/service/agent/stats/ex", None, events)
    assert json.dumps(answer) == json.dumps(load("agent_stats_ex").answer)


@pytest.mark.parametrize("path", ["/realtime/service/agents/status", "/realtime/service/status"])
def test_agent_status(path: str) -> None:
    """The response equals the printed response, at the correct path and at the short path."""
    day = AgentDay("VKUMARK", 38049, NOW)
    day.to("NOT_READY", 0)
    expected = load("agents_status").answer
    expected["agentDetails"][0]["stateChangedAfter"] = expected["timeStamp"] = NOW
    assert json.dumps(response_of(path, ONE, day.events)) == json.dumps(expected)


def test_waiting_calls() -> None:
    """The response equals the printed response, with a call that has waited three hours."""
    began = NOW - 10_800_000
    service = Service(id=38049, name="Manual_test")
    events = [
        call_at(
            "start",
            began,
            service=38049,
            direction="INBOUND",
            callerId="6503517490",
            account="34964238",
            consumer={"firstName": "Will"},
            priority=1,
        ),
        call_at("queue", began),
    ]
    answer = response_of(
        "/realtime/service/calls/status", ONE, events, FloorConfig(services=(service,))
    )
    expected = load("calls_status").answer
    expected["callsDetails"][0]["timeStamp"] = str(began // 1000)
    expected["timeStamp"] = str(NOW)
    assert json.dumps(answer) == json.dumps(expected)


def test_live_connects() -> None:
    """The rows have the printed form. There are six rows, as the reference's text says."""
    day = AgentDay("SEBY", 38049, NOW - 400_000)
    day.outbound(30, "RPC")
    answer = response_of("/realtime/service/liveConnects", ONE, day.off())
    assert shape(answer) == shape(load("live_connects").answer)
    assert [row["total"] for row in answer["liveConnects"]] == ["0", "0", "0", "0", "1", "0"]


def test_service_statistics() -> None:
    """The row equals the printed row, except that today's waiting call counts as offered."""
    day = AgentDay("VKUMARK", 38049, NOW - 5_000_000)
    day.to("READY", 0)
    waiting = [
        call_at("start", NOW - 4_024_000, service=38049, direction="INBOUND"),
        call_at("queue", NOW - 4_024_000),
    ]
    answer = response_of("/realtime/service/stats", ONE, [*day.events, *waiting])
    expected = load("service_stats").answer
    expected["stats"][0]["totalOffered"] = 1
    assert json.dumps(answer) == json.dumps(expected)
