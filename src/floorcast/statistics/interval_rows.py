"""One service's rows: its counts, its waits and its agents' times, interval by interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import add
from typing import NamedTuple

from msgspec import Struct, field

from floorcast.floor.view import (
    COLUMNS,
    MOVED_ON,
    SLOT_MS,
    SLOTS_OF_HOUR,
    Column,
    Day,
    Service,
    ServiceDay,
    ServiceIntervals,
)
from floorcast.statistics.rounding import mean_seconds, rate
from floorcast.statistics.running_counts import RunningCounts, counts_before
from floorcast.statistics.service_stats import service_level

__all__ = [
    "AgentState",
    "AgentTimes",
    "CurrentService",
    "ServiceDayData",
    "ServiceInterval",
    "interval_row",
    "rows_by_interval",
    "slots_until",
]

AgentTimes = dict[int, list[int]]
"""The agents' time in each interval of the day, in ms and in the order of the columns."""

AgentState = tuple[int, int, int, int]
"""An agent's id and state, since when its time has not been counted, and its last event, in ms."""

_FIRST_TIME, _LAST_TIME = int(Column.READY_TIME), int(Column.AGENTS_MOST)
_AGENTS_LAST, _QUEUE_LAST = int(Column.AGENTS_LAST), int(Column.QUEUE_LAST)
_MOVED_ON = int(Column.MOVED_ON)
_OFFERED, _HANDLED = int(Column.OFFERED), int(Column.HANDLED)


class ServiceInterval(Struct, rename="camel", gc=False):
    """One service's figures in one interval.

    ``start`` and ``end`` are in ms; the interval does not include its end. All durations are in
    seconds and all rates in percent.
    """

    service_id: str
    start: int
    end: int
    complete: bool
    offered: int
    handled: int
    abandoned: int
    moved_on: dict[str, int]
    missed: int
    transferred: int
    answered_within_sla: int = field(name="answeredWithinSLA")
    abandoned_within_sla: int = field(name="abandonedWithinSLA")
    abandoned_short: int
    service_level: int | float
    abandon_rate: int | float
    average_speed_of_answer: int
    average_talk_duration: int
    average_wrapup_duration: int
    average_handle_duration: int
    average_hold_duration: int
    wait_p50: int = field(name="waitP50")
    wait_p90: int = field(name="waitP90")
    wait_max: int
    ready_time: int
    talk_time: int
    wrapup_time: int
    not_ready_time: int
    logged_in_time: int
    occupancy: int | float
    agents_max: int
    queue_max: int


class CurrentService(NamedTuple):
    """A service as it is now: its slots by day, and its numbers of agents and waiting calls.

    ``carried_over`` is the number of calls that have waited since before midnight. ``states`` holds
    the states of agents whose time is not counted yet.
    """

    service: Service
    slots: Mapping[int, ServiceIntervals]
    present: tuple[int, int]
    carried_over: int
    states: list[AgentState]

    def counts_before(self, day: Day, first: int) -> tuple[int, int]:
        """Return the numbers of agents and waiting calls before a slot."""
        return counts_before(self.slots, self.present, day.number, first)


class ServiceDayData(NamedTuple):
    """The data for one service's rows on one day.

    ``times`` holds the time that agents have spent in their present states, and ``carried_over``
    is the number of calls that have waited since before midnight. The slots do not include either.
    """

    service: Service
    day: Day
    slots: ServiceIntervals | None
    times: AgentTimes
    carried_over: int
    running_counts: RunningCounts


def slots_until(day: Day, now: int) -> int:
    """Return the number of slots of the day that have begun."""
    return max(0, min(day.end, now + 1) - day.begin + SLOT_MS - 1) // SLOT_MS


def rows_by_interval(
    own: ServiceDayData, first: int, width: int, now: int
) -> Iterator[ServiceInterval | None]:
    """Yield a row for each interval of ``width`` slots, starting at slot ``first``.

    Yields None for an interval in which nothing was counted. The last interval is the one in
    progress, or a later one if a source's clock is ahead of the server's.
    """
    day, slots, running_counts = own.day, own.slots, own.running_counts
    begun = last = slots_until(day, now)
    if slots is not None and slots.hours:
        last = max(last, (max(slots.hours) + 1) * SLOTS_OF_HOUR)
    for slot in range(first, last, width):
        counted = _counted(own, slot, width)
        if counted is None:
            yield None
            continue
        if slots is not None and (counted[_AGENTS_LAST] or counted[_QUEUE_LAST]):
            most = running_counts.largest(day.number, range(slot, min(slot + width, begun)))
        else:
            most = running_counts.current
        if not (any(counted[:_LAST_TIME]) or any(counted[_MOVED_ON:])):
            yield None
            continue
        waits: Sequence[int] = ()
        if slots is not None and counted[_HANDLED]:
            waits = sorted(slots.waits_of(slot, slot + width))
        start = day.begin + slot * SLOT_MS
        end = min(start + width * SLOT_MS, day.end)
        of_waits = (_percentile(waits, 50), _percentile(waits, 90), waits[-1] if waits else 0)
        yield interval_row(own.service, (start, end, end <= now), counted, of_waits, most)


def _counted(own: ServiceDayData, slot: int, width: int) -> list[int] | None:
    """Return the counters of an interval, or None if nothing was counted."""
    counted = None if own.slots is None else own.slots.sums(slot, width)
    times = own.times.get(slot // width)
    offered = 0 if slot else own.carried_over
    if counted is None:
        if times is None and not offered:
            return None
        counted = [0] * COLUMNS
    if times is not None:
        counted[_FIRST_TIME:_LAST_TIME] = map(add, counted[_FIRST_TIME:_LAST_TIME], times)
    if offered:
        counted[_OFFERED] += offered
    return counted


def interval_row(
    service: Service,
    when: tuple[int, int, bool],
    counted: Sequence[int],
    waits: tuple[int, int, int],
    most: tuple[int, int],
) -> ServiceInterval:
    """Return the row for an interval.

    ``when`` holds the interval's start, its end, and whether it is complete. ``waits`` holds the
    50th percentile, the 90th percentile and the maximum. ``most`` holds the largest numbers of
    agents and waiting calls.
    """
    (
        offered, handled, unqueued, answered_within, wait, abandoned, _, abandoned_within,
        abandoned_short, talks, talk, wrap_up, transferred, missed, ready, in_call, hold, wrapping,
        not_ready, other,
    ) = counted[:_LAST_TIME]  # fmt: skip  # the columns in their order
    queued = handled - unqueued
    talking = in_call + hold
    busy = talking + wrapping
    moved_on = counted[_MOVED_ON:]
    day = ServiceDay(
        handled=handled,
        unqueued=unqueued,
        handled_within=answered_within,
        abandoned=abandoned,
        abandoned_within=abandoned_within,
        abandoned_short=abandoned_short,
    )
    return ServiceInterval(
        service_id=str(service.id),
        start=when[0],
        end=when[1],
        complete=when[2],
        offered=offered,
        handled=handled,
        abandoned=abandoned,
        moved_on=_by_reason(moved_on) if any(moved_on) else {},
        missed=missed,
        transferred=transferred,
        answered_within_sla=answered_within,
        abandoned_within_sla=abandoned_within,
        abandoned_short=abandoned_short,
        service_level=service_level(service, day),
        abandon_rate=rate(abandoned, queued + abandoned),
        average_speed_of_answer=mean_seconds(wait, queued),
        average_talk_duration=mean_seconds(talk, talks),
        average_wrapup_duration=mean_seconds(wrap_up, talks),
        average_handle_duration=mean_seconds(talk + wrap_up, talks),
        average_hold_duration=mean_seconds(hold, talks),
        wait_p50=waits[0],
        wait_p90=waits[1],
        wait_max=waits[2],
        ready_time=ready // 1000,
        talk_time=talking // 1000,
        wrapup_time=wrapping // 1000,
        not_ready_time=not_ready // 1000,
        logged_in_time=(ready + busy + not_ready + other) // 1000,
        occupancy=rate(busy, busy + ready),
        agents_max=most[0],
        queue_max=most[1],
    )


def _by_reason(moved_on: Sequence[int]) -> dict[str, int]:
    return {MOVED_ON[index]: count for index, count in enumerate(moved_on) if count}


def _percentile(waits: Sequence[int], percent: int) -> int:
    """Return the smallest wait that the given percentage of waits do not exceed (nearest rank)."""
    return waits[(len(waits) * percent + 99) // 100 - 1] if waits else 0
