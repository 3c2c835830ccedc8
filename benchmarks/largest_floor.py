"""Measures the longest step of each computation on a floor near the default limits of a client.

The event loop can turn after each step. The floor has 90,000 agents, 19,000 services, 130,000 open
calls and 5,000 campaigns; its events have named nearly all of them. The times are CPU times. An
answer is computed three times, and the attempt with the shortest longest step counts.

    python -m benchmarks.largest_floor [--part N]

``--part`` divides the numbers by N.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import msgspec

from benchmarks.statistics_cost import NOON, Size, call_name, event, table
from floorcast.alerts.transitions import clearing_transitions, due_transitions
from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState, from_snapshot, snapshot_parts, snapshot_steps
from floorcast.floor.view import FloorView
from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import AlertRule, CallCenter, FloorConfig, Service
from floorcast.statistics.alert_evaluation import alerts_of, evaluate_alerts
from floorcast.statistics.answers import METHODS, Question, answer_steps
from floorcast.statistics.floor_metrics import floor_metrics
from floorcast.statistics.interval_cache import IntervalCache
from floorcast.statistics.visibility import Moment, Visibility

LARGEST = Size(90_000, 19_000, 130_000)
AGENTS_PER_CAMPAIGN = 18
MINUTE = 60_000  # ms
HOUR = 60 * MINUTE
DAY = 24 * HOUR
TICKS = 10_000  # per ms
SITE = FloorConfig(
    time_zone="America/New_York",
    call_centers=tuple(CallCenter(id=n, name=f"Center {n}") for n in range(1, 6)),
    services=tuple(Service(id=n, name=f"Queue {n}", call_center=1 + n % 5) for n in range(1, 50)),
    alerts=tuple(
        AlertRule(name=figure, figure=figure, threshold=1, clear=1, above=True, interval=900)
        for figure in ("totalCallsInQueue", "interval.offered")
    ),
)
LATER = (
    ("a second later", NOON + 1_000),
    ("a minute later", NOON + MINUTE),
    ("the next midnight", (NOON // DAY + 1) * DAY + 5 * HOUR),
    ("five hours later", NOON + 5 * HOUR),
    ("two days later", NOON + 2 * DAY),
    ("31 days later", NOON + 31 * DAY),
)


def filled(size: Size) -> Floor:
    """Return a floor on which the events of two hours have named everything."""
    floor = Floor(FloorState(client=1))
    begin = NOON - 2 * HOUR
    floor.begin_entry(1, begin * TICKS)
    floor.apply(SITE)
    for number, (at, one) in enumerate(_events(size, begin, random.Random(1)), 2):
        floor.begin_entry(number, at * TICKS + number)
        floor.call_table.evicted.clear()
        floor.fold(one, at * TICKS, "-")
    return floor


def _events(size: Size, begin: int, chance: random.Random) -> Iterator[tuple[int, InboundEvent]]:
    def service() -> str:
        return f"Queue {1 + chance.randrange(size.services)}"

    def state(number: int, kind: str, at: int, **data: object) -> InboundEvent:
        return event("agent.state", at, {"agent": f"Agent {number}", "eventType": kind}, **data)

    for number in range(size.agents):
        at = begin + number * HOUR // size.agents
        named = [f"Queue {1 + (number + step) % size.services}" for step in (0, 7, 31)]
        yield at, state(number, "LOGON", at, services=named)
        yield at, state(number, "READY", at)
    for number in range(size.agents // AGENTS_PER_CAMPAIGN):
        at, named_by = begin + HOUR, {"service": service(), "state": "PLAYING"}
        yield at, event("campaign.update", at, {"campaign": f"Campaign {number}", **named_by})
    for number in range(size.calls):
        at = begin + HOUR + number * (HOUR - MINUTE) // size.calls
        call = call_name(number)
        about = {"direction": "OUTBOUND" if number % 4 == 0 else "INBOUND", "account": str(number)}
        yield at, event("call.start", at, call, service=service(), **about)
        yield at, event("call.queue", at, call)
        if number % 4 < 2:
            yield at, state(chance.randrange(size.agents), "IN_CALL", at + 9_000, call=call)


class Steps(NamedTuple):
    """The longest step of a computation and all steps, in ms, and the number of steps."""

    longest: float
    all: float
    number: int


def measured(begin: Callable[[], Iterable[object]]) -> Steps:
    """Take all steps. The first one includes the call of ``begin``."""
    longest = total = number = 0.0
    began = time.process_time()
    steps = iter(begin())
    is_over = False
    while not is_over:
        is_over = next(steps, steps) is steps
        spent = time.process_time() - began
        longest, total, number = max(longest, spent), total + spent, number + 1
        began = time.process_time()
    return Steps(longest * 1000, total * 1000, int(number))


def computations(floor: Floor) -> Iterator[tuple[str, Callable[[], Iterable[object]], int]]:
    """Yield what to measure, and how often."""
    view = FloorView(floor)
    visibility, moment, cache = Visibility([view]), Moment(NOON), IntervalCache()
    for method in METHODS:
        yield method, partial(answer_steps, Question(method), visibility, moment), 3
    day = Question("service/stats/intervals", interval=300)
    for name in ("first", "second"):
        yield f"cached intervals, {name}", partial(answer_steps, day, visibility, moment, cache), 1
    yield "metrics/floor", lambda: floor_metrics(visibility.scopes(), moment), 3
    yield "evaluation of alerts", partial(_evaluated, view, moment), 3
    yield "snapshot", lambda: snapshot_steps(floor.snapshot_state()), 3
    parts = list(snapshot_parts(floor.snapshot_state()))
    for name, at in LATER:
        yield f"entry {name}", partial(_begun, Floor(from_snapshot(parts)), at), 1
    for member, value in (("alerts", ()), ("time_zone", "Asia/Kolkata")):
        site = msgspec.structs.replace(SITE, **{member: value})
        yield f"new {member}", partial(Floor(from_snapshot(parts)).apply_in_steps, site), 1


def _evaluated(view: FloorView, moment: Moment) -> Iterator[None]:
    known: set[str] = set()
    for evaluated in evaluate_alerts(view, alerts_of(view), moment):
        known.update(one.alert for one in evaluated)
        list(due_transitions(view, evaluated, moment.now, lambda *_: 0))
        yield
    list(clearing_transitions(view, frozenset(known), moment.now))


def _begun(floor: Floor, at: int) -> Iterator[None]:
    for _ in floor.begin_entry_in_steps(floor.state.entry + 1, at * TICKS):
        floor.call_table.evicted.clear()
        yield


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", type=int, default=1)
    arguments = parser.parse_args()
    gc.disable()
    floor = filled(Size(*(number // arguments.part for number in LARGEST)))
    rows = []
    for name, begin, times in computations(floor):
        best = min(measured(begin) for _ in range(times))
        rows.append((name, f"{best.longest:.1f}", f"{best.all:.0f}", f"{best.number:,}"))
    table(("computation", "longest step: ms", "all: ms", "steps"), rows)


if __name__ == "__main__":
    main()
