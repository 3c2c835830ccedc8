"""Measures CPU time and bytes of each statistics method, for all services and for one service.

The benchmark folds events into a floor with 10,000 agents, 500 services and 2,000 open calls, and
calls each method many times. The best time counts. It repeats this on smaller floors whose services
have as many agents as before. The results show how the cost grows, and that the cost of one service
does not depend on the other services.

    python -m benchmarks.statistics_cost
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import msgspec

from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState
from floorcast.floor.view import FloorView
from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import Agent, CallCenter, FloorConfig, Service
from floorcast.statistics.agent_averages import agent_averages, averages_answer, sum_totals
from floorcast.statistics.agent_stats import agent_statistics, agent_statistics_ex
from floorcast.statistics.agent_status import agent_status
from floorcast.statistics.campaign_stats import campaign_statistics
from floorcast.statistics.consistent_scan import Slices
from floorcast.statistics.live_connects import live_connects
from floorcast.statistics.requests import EVERYTHING, CampaignFilter, ServiceFilter
from floorcast.statistics.service_stats import service_stats
from floorcast.statistics.visibility import Moment, Visibility
from floorcast.statistics.waiting_calls import waiting_calls

NOON = 1_780_000_000_000  # ms
ONE = ServiceFilter(services=frozenset({7}))
STATES = ("READY", "NOT_READY", "IN_CALL", "WRAP_UP", "AGENT_HOLD")

R = TypeVar("R")

_decoder = msgspec.json.Decoder(InboundEvent)
_encoder = msgspec.json.Encoder()


class Size(NamedTuple):
    """The numbers of agents, services and open calls on a floor."""

    agents: int
    services: int
    calls: int


def floor_of(size: Size) -> Floor:
    """Return a floor at noon, with open calls, on which each agent has had four calls."""
    floor = Floor(FloorState(client=1))
    floor.begin_entry(1, NOON * 10_000)
    floor.apply(plan_of(size))
    dice = random.Random(size.agents)
    for number, one in enumerate(_events(size, dice), 2):
        floor.begin_entry(number, NOON * 10_000 + number)
        floor.fold(one, NOON * 10_000 + number, "-")
    return floor


def plan_of(size: Size) -> FloorConfig:
    """Return the configuration of a floor with this many agents and services."""
    return FloorConfig(
        time_zone="America/New_York",
        call_centers=tuple(CallCenter(id=n, name=f"Center {n}") for n in range(1, 6)),
        services=tuple(
            Service(id=n, name=f"Service {n}", call_center=1 + n % 5)
            for n in range(1, size.services + 1)
        ),
        agents=tuple(
            Agent(id=n, login=f"AGENT{n}", name=f"Name {n} Surname") for n in range(size.agents)
        ),
    )


def _events(size: Size, dice: random.Random) -> Iterator[InboundEvent]:
    for agent in range(size.agents):
        service = 1 + agent % size.services
        begin = NOON - 3_600_000
        yield agent_event(agent, "LOGON", begin, service)
        for turn in range(4):
            at = begin + 60_000 * turn + dice.randrange(20_000)
            call = call_name(agent * 4 + turn)
            yield event("call.start", at, call, service=service, direction="INBOUND")
            yield event("call.queue", at, call)
            yield agent_event(agent, "IN_CALL", at + 5_000, service, call=call)
            yield event("call.end", at + 25_000, call)
            yield agent_event(agent, "READY", at + 27_000, service)
            yield event("call.disposition", at + 30_000, call, termCode="RPC")
        yield agent_event(agent, dice.choice(STATES), begin + 300_000, service)
    for number in range(size.calls):
        call = call_name(1_000_000 + number)
        at = NOON - dice.randrange(600_000)
        direction = "OUTBOUND" if number % 2 else "INBOUND"
        about = {"service": 1 + number % size.services, "campaign": 1 + number % size.services}
        yield event("call.start", at, call, direction=direction, account="34964238", **about)
        if number % 4 < 2:
            yield event("call.queue", at, call)


def call_name(number: int) -> dict[str, object]:
    """Return the two members that identify a call."""
    return {"transactionId": number, "sessionId": f"U{number:08X}@10.10.112.81"}


def agent_event(agent: int, kind: str, at: int, service: int, **more: object) -> InboundEvent:
    """Return an event that puts an agent in the state ``kind`` at ``at`` (ms)."""
    return event("agent.state", at, {"agent": agent, "eventType": kind}, service=service, **more)


def event(kind: str, at: int, data: dict[str, object], **more: object) -> InboundEvent:
    """Return an event at ``at`` (ms)."""
    when = datetime.fromtimestamp(at / 1000, UTC).isoformat()
    raw = {"specversion": "1.0", "id": "-", "source": "-", "type": kind, "time": when}
    made: InboundEvent = _decoder.decode(_encoder.encode({**raw, "data": {**data, **more}}))
    return made


Method = Callable[[Visibility, ServiceFilter, Moment], int]
"""A function that responds to a request. It returns the size of the response in bytes."""


def _sliced(slices: Slices[R]) -> int:
    with slices:
        return sum(len(_encoder.encode(rows)) for rows in slices)


def _averages(visibility: Visibility, wanted: ServiceFilter, moment: Moment) -> int:
    with agent_averages(visibility.scopes(wanted), moment) as slices:
        totals = [sum_totals(rows) for rows in slices]
    return len(_encoder.encode(averages_answer(totals, moment)))


METHODS: dict[str, Method] = {
    "agents/averages": _averages,
    "agent/stats": lambda s, w, m: _sliced(agent_statistics(s.scopes(w), m)),
    "agent/stats/ex": lambda s, w, m: _sliced(agent_statistics_ex(s.scopes(w), m)),
    "agents/status": lambda s, w, m: _sliced(agent_status(s.scopes(w), m)),
    "calls/status": lambda s, w, m: _sliced(waiting_calls(s.scopes(w), m)),
    "liveConnects": lambda s, w, m: len(_encoder.encode(live_connects(s.scopes(w), m))),
    "service/stats": lambda s, w, m: _sliced(service_stats(s.scopes(w), m)),
    "campaign/stats": lambda s, w, m: _sliced(campaign_statistics(s, CampaignFilter(of=w), m)),
}


class Cost(NamedTuple):
    """The minimum CPU time of a response in ms, and its size in bytes."""

    ms: float
    size: int


def cost(method: Method, floor: Floor, wanted: ServiceFilter) -> Cost:
    """Measure often, and return the best cost, because other load can only increase the time."""
    visibility, moment = Visibility([FloorView(floor)]), Moment(NOON + 40_000)
    size = method(visibility, wanted, moment)
    best = float("inf")
    stop = time.perf_counter() + 0.5
    while time.perf_counter() < stop:
        begun = time.process_time_ns()
        method(visibility, wanted, moment)
        best = min(best, (time.process_time_ns() - begun) / 1e6)
    return Cost(best, size)


def longest_turn(floor: Floor) -> float:
    """Return the longest time (ms) for which the status of all agents blocks the event loop."""
    best = float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        worst = 0.0
        with agent_status(Visibility([FloorView(floor)]).scopes(), Moment(NOON + 40_000)) as slices:
            for rows in slices:
                _encoder.encode(rows)
                worst = max(worst, time.perf_counter() - begun)
                begun = time.perf_counter()
        best = min(best, worst)
    return best * 1000


def table(heading: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print rows in columns. The first column is left-aligned, and the others are right-aligned."""
    texts = [[str(cell) for cell in row] for row in (heading, *rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for first, *others in texts:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]))
    print()


def main() -> None:
    """Print the tables."""
    gc.disable()
    full = Size(10_000, 500, 2_000)
    floor = floor_of(full)
    print(f"{full.agents:,} agents, {full.services} services, {full.calls:,} open calls\n")
    rows = []
    for name, method in METHODS.items():
        everything, one = cost(method, floor, EVERYTHING), cost(method, floor, ONE)
        cells = (everything.ms, everything.size, one.ms, one.size)
        rows.append((name, f"{cells[0]:.2f}", f"{cells[1]:,}", f"{cells[2]:.3f}", f"{cells[3]:,}"))
    table(("method", "all: ms", "bytes", "one service: ms", "bytes"), rows)
    print(f"agents/status of everyone: longest turn of the loop {longest_turn(floor):.1f} ms\n")

    sizes = [Size(100, 5, 20), Size(1_000, 50, 200), Size(3_000, 150, 600), full]
    floors = [floor_of(size) for size in sizes]
    print("growth, ms for everything; 20 agents and 4 open calls a service throughout\n")
    heading = ("method", *(f"{size.agents:,} agents" for size in sizes))
    grown = {
        name: [(cost(method, one, EVERYTHING), cost(method, one, _second(one))) for one in floors]
        for name, method in METHODS.items()
    }
    table(heading, [(n, *(f"{all_.ms:.2f}" for all_, _ in c)) for n, c in grown.items()])
    print("growth, ms for one service of 20 agents\n")
    table(heading, [(n, *(f"{one.ms:.3f}" for _, one in c)) for n, c in grown.items()])


def _second(floor: Floor) -> ServiceFilter:
    return ServiceFilter(services=frozenset({sorted(floor.state.directory.services)[1]}))


if __name__ == "__main__":
    main()
