"""A simulated floor on a real node, and what both say of it, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import msgspec

from floorcast.events.states import STATE_NAMES, State
from floorcast.simulator.faults import Faults, Wire
from floorcast.simulator.plan import FloorPlan
from floorcast.simulator.simulation import Simulation
from floorcast.simulator.truth import AgentTruth, ServiceTruth, Truth, Work
from floorcast.sources.cloud_event import CloudEvent
from floorcast.token import TICKS_PER_MS
from tests.real.nodes import Clock, House
from tests.real.sites import KEYS, SITE

__all__ = ["START", "Parity", "site_of", "told"]

START = datetime(2026, 11, 23, 15, tzinfo=UTC)  # ten o'clock in New York
SLICE = 30_000  # ms
BATCH = 1_000

Row = dict[str, Any]


def site_of(plan: FloorPlan) -> str:
    """The tests' site, with the plan's services in it instead of its own."""
    services = "\n".join(
        f'    {{id = {number}, name = "{one.name}", sla_seconds = {one.sla_seconds}}},'
        for number, one in enumerate(plan.services.values(), 501)
    )
    begin, end = SITE.index("service = ["), SITE.index("agent = [")
    return f"{SITE[:begin]}service = [\n{services}\n]\n{SITE[end:]}"


class Parity:
    """A run whose events a node takes as they come; ``check`` compares the two at that moment."""

    def __init__(self, house: House, clock: Clock, plan: FloorPlan, seed: int, faults: Faults):
        self.simulation = Simulation(plan, seed=seed, start=START, deaths=faults.deaths)
        self.wire = Wire(faults, seed, START)
        self._house, self._clock = house, clock
        self._began = clock.ticks
        self._session = house.login()
        self.sent = 0

    def go_on(self, until: int) -> None:
        """Let the floor work up to ``until`` (ms), and send what it tells."""
        while self.simulation.now < until:
            upto = min(self.simulation.now + SLICE, until)
            self._send(self.wire.carry(self.simulation.advance(upto), upto))

    def settle(self) -> None:
        """Let everything arrive that is on its way."""
        self._send(self.wire.flush())

    def close(self) -> None:
        """End the floor's day."""
        self._send(self.wire.carry(self.simulation.close(), self.simulation.now))
        self.settle()

    def differences(self) -> list[str]:
        """Every figure that both know, where they do not agree."""
        now, truth = self.simulation.now, self.simulation.truth
        for agent in truth.agents.values():
            agent.until(now)
        found = self._services(truth, now) + self._agents(truth) + self._present(truth)
        return found + self._averages(truth) + self._campaigns(truth) + self._rest(truth, now)

    def _send(self, events: Sequence[CloudEvent]) -> None:
        self._clock.ticks = self._began + self.simulation.now * TICKS_PER_MS
        for first in range(0, len(events), BATCH):
            batch = events[first : first + BATCH]
            verdicts = self._house.take(b"\n".join(map(msgspec.json.encode, batch)))
            assert verdicts["rejected"] == []
            self.sent += len(batch)

    def _ask(self, path: str) -> list[Row]:
        answer = self._house.ask("POST", f"/realtime/{path}", self._session, json={})
        assert answer.status_code == 200, answer.text
        rows: list[Row] = next(iter(answer.json().values()))
        return rows

    def _services(self, truth: Truth, now: int) -> list[str]:
        rows = {row["serviceName"]: row for row in self._ask("service/stats")}
        found = []
        for name, one in truth.services.items():
            row = rows.get(name, {})
            expected = _service(one, now)
            there = [a for a in truth.agents.values() if a.service == name]
            expected["totalAgents"] = sum(agent.state is not State.LOGOFF for agent in there)
            if not row and not any(agent.visits for agent in there) and not one.offered:
                continue
            found += _compared(f"service {name}", expected, row)
        return found

    def _agents(self, truth: Truth) -> list[str]:
        rows = {row["agentLoginId"]: row for row in self._ask("service/agent/stats/ex")}
        stats = self._ask("service/stats")
        names: Row = {row["serviceId"]: row["serviceName"] for row in stats}
        found = []
        for login, agent in truth.agents.items():
            shown = {names.get(str(one["id"])): one for one in rows.get(login, {}).get("services", [])}
            for service in {agent.service, *agent.work}:
                expected = _agent(agent, service)
                if any(expected.values()):
                    row = shown.pop(service, {})
                    found += _compared(f"agent {login} on {service}", expected, row)
            found += [f"agent {login} on {name}: nothing, not {row}" for name, row in shown.items()
                      if any(value for key, value in row.items() if key not in {"id", "callCenterId"})]
        return found

    def _present(self, truth: Truth) -> list[str]:
        shown = {row["agentLoginId"]: row["state"] for row in self._ask("service/agents/status")}
        expected = {
            login: STATE_NAMES[agent.state]
            for login, agent in truth.agents.items()
            if agent.state is not State.LOGOFF
        }
        return _compared("status", dict(expected), dict(shown))

    def _averages(self, truth: Truth) -> list[str]:
        (row,) = self._ask("service/agents/averages")
        expected = {}
        for state, member in AVERAGES.items():
            visits = sum(agent.visits[state] for agent in truth.agents.values())
            expected[member] = str(_mean(sum(a.time[state] for a in truth.agents.values()), visits))
        return _compared("averages", expected, row)

    def _campaigns(self, truth: Truth) -> list[str]:
        rows = self._ask("campaign/stats")
        known = sorted((row["loaded"], row["completed"], row["remaining"]) for row in rows)
        expected = sorted(
            (one.loaded, one.completed, one.remaining) for one in truth.campaigns.values()
        )
        return [] if known == expected else [f"campaigns: {expected}, not {known}"]

    def _rest(self, truth: Truth, now: int) -> list[str]:
        connects = sum(int(row["total"]) for row in self._ask("service/liveConnects"))
        waiting = len(self._ask("service/calls/status"))
        expected = {
            "connects": truth.live_connects(now),
            "waiting": sum(len(one.waiting) for one in truth.services.values()),
        }
        return _compared("now", expected, {"connects": connects, "waiting": waiting})


AVERAGES = {
    State.READY: "averageReadyTime",
    State.NOT_READY: "averageNotReadyTime",
    State.IN_CALL: "averageTalkTime",
    State.WRAP_UP: "averageWrapupTime",
    State.PREVIEW_DIAL: "averagePreviewDialTime",
    State.MANUAL_DIAL: "averageManualDialTime",
    State.HOLD: "averageHoldTime",
    State.TRANSFERRING: "averageTransferringTime",
    State.REGISTERING: "averageRegisteringTime",
    State.DIALING: "averageDialingTime",
}
REASONS = {
    "notReadyLunchDuration": ("LUNCH",),
    "notReadyTrainingDuration": ("TRAINING",),
    "notReadyBreakDuration": ("BREAK",),
    "notReadyMeetingDuration": ("MEETING",),
    "notReadyTechDiffDuration": ("TECH_DIFFICULTIES",),
    "notReadyOtherDuration": ("VOICE_MAIL", "OTHER"),
}


def _service(one: ServiceTruth, now: int) -> Row:
    decided = one.answered + one.abandoned
    return {
        "totalOffered": one.offered,
        "totalHandled": one.answered,
        "totalAbandoned": one.abandoned,
        "totalCallsAnsweredWithinSLA": one.answered_within,
        "totalCallsAbandonedWithinSLA": one.abandoned_within,
        "abandonRate": _rate(one.abandoned, decided),
        "serviceLevel": _rate(one.answered_within, decided - one.abandoned_within),
        "averageSpeedOfAnswer": _mean(one.answered_wait, one.answered),
        "averageDurationToAbandon": _mean(one.abandoned_wait, one.abandoned),
        "averageTalkDuration": _mean(one.talk, one.talks),
        "averageWrapupDuration": _mean(one.wrap_up, one.talks),
        "averageHandleDuration": _mean(one.talk + one.wrap_up, one.talks),
        "totalCallsInQueue": len(one.waiting),
        "longestCallInQueue": (now - min(one.waiting.values(), default=now)) // 1000,
        "callsWithAgent": one.talking,
        "cip": one.outbound,
    }


def _agent(agent: AgentTruth, service: str) -> Row:
    work = agent.work.get(service, Work())
    codes = work.dispositions
    row = {
        "inboundCalls": work.inbound,
        "outboundCalls": work.outbound,
        "rpcComplete": codes["RPC"],
        "rpcIncomplete": codes["RPC_INCOMPLETE"],
        "wpc": codes["WPC"],
        "nonContacts": codes.total() - codes["RPC"] - codes["RPC_INCOMPLETE"] - codes["WPC"],
    }
    here = service == agent.service
    talk = sum(agent.time[one] for one in (State.IN_CALL, State.HOLD, State.TRANSFERRING))
    times = {
        "readyDuration": agent.time[State.READY],
        "wrapupDuration": agent.time[State.WRAP_UP],
        "talkDuration": talk,
    } | {name: sum(agent.reasons[one] for one in reasons) for name, reasons in REASONS.items()}
    return row | {name: spent // 1000 * here for name, spent in times.items()}


def _compared(what: str, expected: Row, row: Row) -> list[str]:
    keys = expected if what != "status" else {*expected, *row}
    return [
        f"{what}: {key} is {row.get(key)}, not {expected.get(key)}"
        for key in keys
        if row.get(key) != expected.get(key)
    ]


def _mean(total: int, count: int) -> int:
    return int(Fraction(total, 1000 * count) + Fraction(1, 2)) if count else 0


def _rate(part: int, whole: int) -> float:
    return int(Fraction(10_000 * part, whole) + Fraction(1, 2)) / 100 if whole else 0


def told(events: Iterable[CloudEvent]) -> bytes:
    """The events as they are sent."""
    return b"\n".join(map(msgspec.json.encode, events))
