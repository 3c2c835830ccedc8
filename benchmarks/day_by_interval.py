"""Measures the cost of a day's intervals: response time, turns of the event loop, and memory.

The benchmark folds a day of about a million events on a floor with 500 services and 10,000 agents.
Then it requests the intervals of one service and of all services, evaluates alert rules, and adds
up the memory of the intervals. Times are CPU times in ms. "Cold" is the first response. "Warm" is
the best of the later responses, between which nothing is folded. "Longest turn" is the longest time
for which the first response blocks the event loop.

    python -m benchmarks.day_by_interval --help
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator

from benchmarks.statistics_cost import Size, agent_event, call_name, event, plan_of
from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState
from floorcast.floor.view import FloorView
from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import AlertRule
from floorcast.statistics.alert_evaluation import evaluate_alerts
from floorcast.statistics.answers import Question, answer_steps
from floorcast.statistics.interval_cache import IntervalCache
from floorcast.statistics.requests import EVERYTHING, ServiceFilter
from floorcast.statistics.visibility import Moment, Visibility

MIDNIGHT = 1_780_027_200_000  # ms, in New York
DAY = 86_000_000  # ms
ONE = ServiceFilter(services=frozenset({7}))
FIGURES = ("longestCallInQueue", "serviceLevel", "interval.abandonRate", "totalAgents")
TIMES = 5


def day_of(size: Size, calls: int) -> Iterator[InboundEvent]:
    """Yield a day's events, call by call. Each agent has ``calls`` calls, one after another."""
    for agent in range(size.agents):
        yield agent_event(agent, "LOGON", MIDNIGHT + agent, 1 + agent % size.services)
    step = DAY // (calls * size.agents)
    for turn in range(calls * size.agents):
        agent, service = turn % size.agents, 1 + turn % size.services
        at = MIDNIGHT + 60_000 + turn * step
        call = call_name(turn)
        yield event("call.start", at, call, service=service, direction="INBOUND")
        yield event("call.queue", at, call)
        yield agent_event(agent, "IN_CALL", at + 5_000 + turn % 40_000, service, call=call)
        yield event("call.end", at + 90_000, call)
        yield agent_event(agent, "READY", at + 100_000, service)


def folded(size: Size, calls: int) -> tuple[Floor, float]:
    """Fold a day. Returns the floor, and the CPU time per event in microseconds."""
    floor = Floor(FloorState(client=1))
    floor.begin_entry(1, MIDNIGHT * 10_000)
    floor.apply(plan_of(size))
    spent, count, last = 0.0, 0, MIDNIGHT * 10_000
    for one in day_of(size, calls):
        count += 1
        assert one.time is not None
        last = max(last + 1, round(one.time.timestamp() * 1000) * 10_000)
        begun = time.thread_time()
        floor.begin_entry(count + 1, last)
        floor.fold(one, last, "-")
        spent += time.thread_time() - begun
        floor.call_table.evicted.clear()
        if count % 100_000 == 0:
            print(f"{count:,} events", file=sys.stderr)
    return floor, spent / count * 1e6


def timed(steps: Callable[[], Iterable[object]]) -> tuple[float, float, float]:
    """Return the first response's time, the minimum of later ones, and the longest turn, in ms."""
    spent: list[float] = []
    longest = 0.0
    for _ in range(1 + TIMES):
        begun = last = time.thread_time()
        turns = iter(steps())
        over = False
        while not over:
            over = next(turns, turns) is turns
            now = time.thread_time()
            if not spent:
                longest = max(longest, now - last)
            last = now
        spent.append(last - begun)
    return spent[0] * 1000, min(spent[1:]) * 1000, longest * 1000


def memory_of(floor: Floor) -> float:
    """Return the memory that the intervals of all days take, in MiB."""
    size = 0
    for services in floor.state.counters.intervals.values():
        for intervals in services.values():
            size += sys.getsizeof(intervals.waits) + sys.getsizeof(intervals.hours)
            size += sum(sys.getsizeof(cells) for cells in intervals.hours.values())
    return size / (1 << 20)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--services", type=int, default=500)
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=20, help="calls of each agent")
    parser.add_argument("--rules", type=int, default=20, help="alert rules for every service")
    options = parser.parse_args()
    size = Size(options.agents, options.services, 0)
    floor, fold = folded(size, options.calls)
    gc.freeze()
    gc.set_threshold(10_000, 500, 100)  # as in the server
    view = FloorView(floor)
    moment = Moment(floor.state.recorded_at // 10_000)
    visibility = Visibility([view])
    kept = IntervalCache()
    rules = [
        AlertRule(name=str(n), figure=FIGURES[n % len(FIGURES)], threshold=1e9, clear=1e9)
        for n in range(options.rules)
    ]
    print(f"{'ms':34} {'cold':>8} {'warm':>8} {'longest turn':>13}")
    for name, wanted, seconds in (
        ("intervals of one service, 900 s", ONE, 900),
        ("intervals of all, 900 s", EVERYTHING, 900),
        ("intervals of all, 300 s", EVERYTHING, 300),
    ):
        question = Question("service/stats/intervals", filter=wanted, interval=seconds)
        found = timed(lambda asked=question: answer_steps(asked, visibility, moment, kept))  # type: ignore[misc]  # bound by its default
        print(f"{name:34} {found[0]:8.2f} {found[1]:8.2f} {found[2]:13.2f}")
    pairs = [(rule, service) for rule in rules for service in view.services]
    found = timed(lambda: evaluate_alerts(view, pairs, moment))
    name = f"a look at {options.rules} alert rules"
    print(f"{name:34} {found[0]:8.2f} {found[1]:8.2f} {found[2]:13.2f}")
    rows = sum(one.size for one in kept.floors.values())
    print(
        f"fold: {fold:.1f} us an event; memory of the intervals: {memory_of(floor):.1f} MiB,"
        f" of the rows that are kept: {rows / (1 << 20):.1f} MiB"
    )


if __name__ == "__main__":
    main()
