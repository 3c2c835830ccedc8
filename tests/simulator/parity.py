"""Runs a simulated floor on a real node, and compares their figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from floorcast.client.cloud_event import CloudEvent
from floorcast.model.states import STATE_NAMES, State
from floorcast.model.token import TICKS_PER_MS
from floorcast.simulator.faults import FaultInjector, Faults
from floorcast.simulator.report import Row, report
from floorcast.simulator.scenario import FloorPlan
from floorcast.simulator.simulation import Simulation
from floorcast.statistics.requests import FIGURES
from tests.real.nodes import Clock, NodeHarness
from tests.real.sites import SITE

__all__ = ["START", "Parity", "as_ndjson", "differing_figures", "site_of"]

START = datetime(2026, 11, 23, 15, tzinfo=UTC)  # ten o'clock in New York
SLICE = 30_000  # ms
BATCH = 1_000  # events

NOT_ON_THE_SERVER = {
    "slaSeconds",
    "begun",
    "gaveUpInIvr",
    "movedOn",
    "passedOn",
    "lost",
    "left",
    "missed",
}


def site_of(plan: FloorPlan) -> str:
    """Return the tests' site with the plan's services instead of its own."""
    services = "\n".join(
        f'    {{id = {number}, name = "{one.name}", sla_seconds = {one.sla_seconds}}},'
        for number, one in enumerate(plan.services.values(), 501)
    )
    begin, end = SITE.index("service = ["), SITE.index("agent = [")
    return f"{SITE[:begin]}service = [\n{services}\n]\n{SITE[end:]}"


def as_ndjson(events: Iterable[CloudEvent]) -> bytes:
    """Return the events in the form in which they are sent."""
    return b"\n".join(map(msgspec.json.encode, events))


def differing_figures(
    what: str, true: Mapping[str, object], shown: Mapping[str, object]
) -> Iterator[str]:
    """Return the figures whose shown value differs from the true value."""
    for name, value in true.items():
        if name not in NOT_ON_THE_SERVER and shown.get(name) != value:
            yield f"{what}: {name} is {shown.get(name)!r} on the server, and {value!r} in truth"


class Parity:
    """A run whose events are sent to a node immediately."""

    def __init__(
        self, node: NodeHarness, clock: Clock, plan: FloorPlan, seed: int, faults: Faults
    ) -> None:
        self.simulation = Simulation(plan, seed=seed, start=START, deaths=faults.deaths)
        self.wire = FaultInjector(faults, seed, START)
        self._node, self._clock = node, clock
        self._began = clock.ticks
        self._session = node.login()
        self._names: dict[str, str] = {}  # of services, by id

    def advance(self, until: int) -> None:
        """Simulate up to ``until`` (ms), and send the events."""
        while self.simulation.now < until:
            upto = min(self.simulation.now + SLICE, until)
            self._send(self.wire.deliver(self.simulation.advance(upto), upto))

    def settle(self) -> None:
        """Deliver all delayed events."""
        self._send(self.wire.flush())

    def close(self) -> None:
        """Close the floor, and send the last events."""
        self._send(self.wire.deliver(self.simulation.close(), self.simulation.now))
        self.settle()

    def differences(self) -> list[str]:
        """Return all common figures that differ at this time."""
        true: Any = report(self.simulation.truth, self.simulation.now)
        found = list(self._services(true["services"]))
        found += self._intervals(true["intervals"])
        found += self._agents(true["agents"])
        found += differing_figures(
            "averages", true["averages"], self._ask("service/agents/averages")[0]
        )
        found += self._campaigns(true["campaigns"])
        found += differing_figures("now", self._now(true), self._shown_now())
        return found

    def _send(self, events: Sequence[CloudEvent]) -> None:
        self._clock.ticks = self._began + self.simulation.now * TICKS_PER_MS
        for first in range(0, len(events), BATCH):
            verdicts = self._node.take(as_ndjson(events[first : first + BATCH]))
            assert verdicts["rejected"] == []

    def _ask(self, path: str) -> list[dict[str, Any]]:
        answer = self._node.ask("POST", f"/realtime/{path}", self._session, json={})
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = next(iter(answer.json().values()))
        return rows

    def _services(self, true: Iterable[Row]) -> Iterator[str]:
        shown = {row["serviceName"]: row for row in self._ask("service/stats")}
        self._names = {row["serviceId"]: name for name, row in shown.items()}
        numbers = {name: number for number, name in self._names.items()}
        for row in true:
            name = row["serviceName"]
            if row["totalOffered"] or row["totalAgents"] or name in shown:
                yield from differing_figures(f"service {name}", row, shown.pop(name, {}))
            if name in numbers:
                behind: Row = {figure: row[figure] for figure in FIGURES if figure in row}
                listed: Row = {figure: self._listed(numbers[name], figure) for figure in behind}
                yield from differing_figures(f"calls of {name}", behind, listed)
        yield from (f"service {name}: it does not exist" for name in shown)

    def _intervals(self, true: Iterable[Row]) -> Iterator[str]:
        shown: dict[tuple[str, object], dict[str, Any]] = {
            (self._names[row["serviceId"]], row["start"]): row
            for row in self._ask("service/stats/intervals")
        }
        counted = ("offered", "handled", "abandoned")
        for row in true:
            name, start = str(row["serviceName"]), row["start"]
            known = {what: row[what] for what in counted}
            yield from differing_figures(f"{name} at {start}", known, shown.pop((name, start), {}))
        nothing = dict.fromkeys(counted, 0)
        for (name, start), row in shown.items():
            yield from differing_figures(f"{name} at {start}", nothing, row)

    def _listed(self, service: str, figure: str) -> int:
        """Return the number of calls listed behind a figure over all pages, each counted once."""
        body: dict[str, Any] = {"filter": {"service": [{"id": service}]}, "figure": figure}
        found: set[tuple[int, str]] = set()
        while True:
            answer = self._node.ask("POST", "/realtime/service/calls", self._session, json=body)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            names = {(call["transactionId"], call["sessionId"]) for call in page["calls"]}
            assert len(names) == len(page["calls"])
            assert found.isdisjoint(names)
            found |= names
            body["cursor"] = page["cursor"]
            if page["cursor"] is None:
                assert page["total"] == len(found)
                return len(found)

    def _agents(self, true: Iterable[dict[str, Any]]) -> Iterator[str]:
        shown = {row["agentLoginId"]: row for row in self._ask("service/agent/stats/ex")}
        for row in true:
            login = row["agentLoginId"]
            served = {
                self._names.get(str(one["id"])): one
                for one in shown.pop(login, {"services": []})["services"]
            }
            for one in row["services"]:
                name = one.pop("serviceName")
                if name in served or any(one.values()):
                    yield from differing_figures(f"{login} on {name}", one, served.pop(name, {}))
            yield from (f"{login} on {name}: was never there" for name in served)
        yield from (f"agent {login}: does not exist" for login in shown)

    def _campaigns(self, true: Iterable[Row]) -> Iterator[str]:
        shown = {row["loaded"]: row for row in self._ask("campaign/stats")}
        for row in true:
            known = {name: row[name] for name in ("loaded", "completed", "remaining")}
            one = shown[row["loaded"]]
            yield from differing_figures(f"campaign {row['campaignName']}", known, one)
            zones = {each["timezone"]: each["count"] for each in one["timezoneBreakdown"]}
            there = {zone: count for zone, count in zones.items() if count}
            yield from differing_figures("its time zones", {"": row["timezones"]}, {"": there})

    def _now(self, true: dict[str, Any]) -> Row:
        states = {row["agentLoginId"]: row["agentStatus"] for row in true["agents"]}
        gone = STATE_NAMES[State.LOGOFF]
        return {
            "states": {login: state for login, state in states.items() if state != gone},
            "live connects": true["liveConnects"],
            "waiting": sum(row["totalCallsInQueue"] for row in true["services"]),
        }

    def _shown_now(self) -> Row:
        status = self._ask("service/agents/status")
        return {
            "states": {row["agentLoginId"]: row["state"] for row in status},
            "live connects": sum(int(row["total"]) for row in self._ask("service/liveConnects")),
            "waiting": len(self._ask("service/calls/status")),
        }
