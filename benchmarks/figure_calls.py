"""Measures the cost of listing the calls behind a figure, page by page, among a day's calls.

A store gets a day's calls from several services, and all these calls have left memory. The
benchmark reads the first page and a middle page, for one service and for a service with twice as
many calls. The times are CPU times in ms, each the best of several measurements.

    python -m benchmarks.figure_calls --help
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from floorcast.floor.calls import Call
from floorcast.floor.floor import Floor
from floorcast.floor.queue_segments import QueueSegment
from floorcast.floor.state import FloorState
from floorcast.floor.view import FloorView
from floorcast.model.token import end_of_entry
from floorcast.projection.evicted_calls import EvictedCalls, store_evicted_calls
from floorcast.site.configuration import FloorConfig, Service
from floorcast.statistics.call_pages import CallSortKey
from floorcast.statistics.figure_calls import FigureCalls, FigureSelection
from floorcast.statistics.visibility import Moment, Visibility
from floorcast.store.projection_store import ProjectionStore

NOON = 1_780_000_000_000  # ms
TIMES = 3


def floor_of(services: int) -> Floor:
    """Return an empty floor at noon."""
    floor = Floor(FloorState(client=1))
    floor.begin_entry(1, NOON * 10_000)
    known = tuple(Service(id=number, name=str(number)) for number in range(1, services + 1))
    floor.apply(FloorConfig(time_zone="UTC", feeds=(), services=known))
    return floor


def ended(number: int, service: int) -> Call:
    """Return an ended call that was answered after a wait."""
    joined = NOON - 36_000_000 + number * 30
    segment = QueueSegment(service, joined, joined + 9000, None, joined + 99_000, within=True)
    return Call(number, f"S{number}", segments=[segment], ended=joined + 99_000, phone_dialed="1")


def fill(store: ProjectionStore, floor: Floor, sizes: dict[int, int]) -> float:
    """Store each service's calls. Returns the event loop's CPU time per call in microseconds."""
    number, begun = 0, time.thread_time()
    for entry in range(2, 2 + max(sizes.values())):
        for service, size in sizes.items():
            if entry - 2 < size:
                number += 1
                floor.call_table.evicted.append(ended(number, service))
        if entry % 500 == 0 or entry == 1 + max(sizes.values()):
            store_evicted_calls(floor, store, entry)
    return (time.thread_time() - begun) / number * 1e6


def page(
    store: ProjectionStore, floor: Floor, service: int, after: CallSortKey | None
) -> tuple[float, FigureCalls]:
    """Read a page several times. Returns the best CPU time in ms, and the page."""
    best, view = float("inf"), FloorView(floor)
    (scope,) = Visibility([view]).scopes()
    scope = scope._replace(services=(service,))
    day = view.day_of(NOON).number
    for _ in range(TIMES):
        begun = time.process_time()
        left = EvictedCalls(store, 1, (day, service), end_of_entry(10**9))
        found = FigureCalls(
            scope, Moment(NOON), FigureSelection(service, "totalHandled", day, after=after), left
        )
        for _turn in found:
            pass
        best = min(best, time.process_time() - begun)
    return best * 1000, found


def main() -> None:
    """Fill a store, and read pages of two services."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=10_000, help="of the smaller service")
    parser.add_argument("--others", type=int, default=20, help="services of that size beside it")
    options = parser.parse_args()
    sizes = dict.fromkeys(range(1, options.others + 2), options.calls)
    sizes[options.others + 2] = 2 * options.calls
    floor = floor_of(len(sizes))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mirror.db"
        store = ProjectionStore(file, lambda: NOON * 10_000, identity="log", heads={1: 10**9})
        spent = fill(store, floor, sizes)
        while store.backlog:
            time.sleep(0.05)
        size = file.stat().st_size / sum(sizes.values())
        print(f"handed in: {spent:.1f} us a call; stored: {size:.0f} bytes a call")
        for service in (1, len(sizes)):
            first, found = page(store, floor, service, None)
            middle = (NOON - 36_000_000 + sum(sizes.values()) * 15, 0, "")
            later, _ = page(store, floor, service, middle)
            print(
                f"{found.total:,} calls: the first page {first:.0f} ms, one in the middle"
                f" {later:.0f} ms"
            )
        asyncio.run(store.close())


if __name__ == "__main__":
    main()
