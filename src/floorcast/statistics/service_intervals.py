"""Service statistics by interval: the counts, the waits and the agents' time of each interval.

A day's intervals begin at the client's local midnight and are laid out in elapsed time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import add
from typing import NamedTuple

from msgspec import Struct, field

from floorcast.floor.view import (
    MOVED_ON,
    NO_SERVICE,
    SLOT_MS,
    SLOTS_OF_HOUR,
    Column,
    Day,
    FloorView,
    Service,
    ServiceDay,
    ServiceIntervals,
)
from floorcast.statistics.carried_counts import Carried
from floorcast.statistics.consistent_scan import Scan, Slices
from floorcast.statistics.requests import DEFAULT_INTERVAL
from floorcast.statistics.rounding import mean_seconds, rate
from floorcast.statistics.service_stats import service_level
from floorcast.statistics.visibility import Moment, Scope

__all__ = [
    "IntervalAnswer",
    "IntervalSpan",
    "ServiceInterval",
    "service_intervals",
    "shown",
]

_SERVICES_OF_TURN = 20  # services that are read in one turn of the event loop
_ROWS_OF_TURN = 40
_LOOKED_OF_TURN = 500  # intervals of services, most of which have no row


class ServiceInterval(Struct, rename="camel", gc=False):
    """One service in one interval. Durations and times are in seconds, rates in percent.

    ``start`` and ``end`` are in ms; the interval does not contain its end.
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


class IntervalAnswer(Struct, rename="camel"):
    """The intervals in which anything was counted, by start and then by service id."""

    intervals: list[ServiceInterval]
    time_stamp: int


class IntervalSpan(NamedTuple):
    """What to answer: intervals of ``seconds``, of today or (``last``) of the last seconds."""

    seconds: int = DEFAULT_INTERVAL
    last: int | None = None


def service_intervals(
    scopes: Sequence[Scope], moment: Moment, span: IntervalSpan
) -> Slices[ServiceInterval]:
    """A row for each service in view and each interval in which anything was counted."""
    return Slices([_Intervals(scope, moment, span) for scope in scopes])


class _Own(NamedTuple):
    """A service's slots as they were when the scan began.

    ``slots`` are by day; ``added`` is what is not counted yet: the time of agents in their present
    states, and calls that have waited since before midnight.
    """

    service: Service
    slots: Mapping[int, ServiceIntervals]
    added: Mapping[int, ServiceIntervals]
    carried: Carried


class _Intervals:
    """The rows of one floor: first its services are read, then the rows are made."""

    def __init__(self, scope: Scope, moment: Moment, span: IntervalSpan) -> None:
        self._moment = moment
        self._width = span.seconds * 1000 // SLOT_MS
        days = _days(scope, moment, span)
        begin = days[-1].begin
        if span.last is not None:
            now, width = moment.now, self._width * SLOT_MS
            in_progress = now - (now - begin) % width
            begin = min(in_progress, now - span.last * 1000)
        self._first_slots = [(day, self._slot_after(day, begin)) for day in days]
        self._scan = _scan(scope, moment, self._first_slots)

    def _slot_after(self, day: Day, begin: int) -> int:
        """The first slot of the first interval of the day that begins at ``begin`` or later."""
        width = self._width * SLOT_MS
        return max(0, -(-(begin - day.begin) // width)) * self._width

    def __iter__(self) -> Iterator[list[ServiceInterval]]:
        """The rows, some per turn; none while services are read."""
        owns: list[_Own] = []
        for some in self._scan:
            owns += some
            yield []
        rows: list[ServiceInterval] = []
        looked = 0
        for day, first in self._first_slots:
            for slot in range(first, self._last(day, owns), self._width):
                for own in owns:
                    row = self._row(own, day, slot)
                    looked += 1
                    if row is not None:
                        rows.append(row)
                    if len(rows) >= _ROWS_OF_TURN or looked >= _LOOKED_OF_TURN:
                        yield rows
                        rows, looked = [], 0
        yield rows

    def close(self) -> None:
        """Let the floor go."""
        self._scan.close()

    def _last(self, day: Day, owns: Sequence[_Own]) -> int:
        """The last slot of the day and one: a source's clock may be ahead of ours."""
        last = _slots_until(day, self._moment.now)
        for own in owns:
            slots = own.slots.get(day.number)
            if slots is not None and slots.hours:
                last = max(last, (max(slots.hours) + 1) * SLOTS_OF_HOUR)
        return last

    def _row(self, own: _Own, day: Day, first: int) -> ServiceInterval | None:
        until = min(first + self._width, _slots_until(day, self._moment.now))
        most = own.carried.over(day.number, range(first, until))
        counted: Sequence[int] | None = None
        waits: list[int] = []
        for slots in (own.slots.get(day.number), own.added.get(day.number)):
            sums = None if slots is None else slots.sums(first, self._width)
            if slots is None or sums is None:
                continue
            counted = sums if counted is None else list(map(add, counted, sums))
            waits += slots.waits_of(first, first + self._width)
        if counted is None or not (
            any(counted[: Column.AGENTS_MOST]) or any(counted[Column.MOVED_ON :])
        ):
            return None
        start = day.begin + first * SLOT_MS
        end = min(start + self._width * SLOT_MS, day.end)
        complete = end <= self._moment.now
        waits.sort()
        of_waits = (_percentile(waits, 50), _percentile(waits, 90), waits[-1] if waits else 0)
        return shown(own.service, (start, end, complete), counted, of_waits, most)


def _days(scope: Scope, moment: Moment, span: IntervalSpan) -> list[Day]:
    """The client's days that the span touches, the last one is today."""
    today = scope.today(moment)
    if span.last is None or moment.now - span.last * 1000 >= today.begin:
        return [today]
    return [scope.view.day_of(today.begin - 1), today]


def _slots_until(day: Day, now: int) -> int:
    """How many slots of the day have begun."""
    return max(0, min(day.end, now + 1) - day.begin + SLOT_MS - 1) // SLOT_MS


def _scan(scope: Scope, moment: Moment, first_slots: Sequence[tuple[Day, int]]) -> Scan[_Own]:
    view = scope.view
    days = [day for day, _ in first_slots]
    waiting = _waiting(scope, moment, days[-1])

    def read(number: int) -> _Own | None:
        service = view.services.get(number)
        if service is None or number == NO_SERVICE:
            return None
        live = {
            day: known
            for day in (days[0].number - 1, *(day.number for day in days))
            if (known := view.intervals_on(day).get(number)) is not None
        }
        count, carried_over = waiting.get(number, (0, 0))
        now = (len(view.logged_in((number,))), count)
        carried = Carried(live, now, days[0].number, first_slots[0][1])
        slots = carried.slots = {
            day.number: _copied(live[day.number], first)
            for day, first in first_slots
            if day.number in live
        }
        added = _uncounted(view, number, moment, first_slots)
        if carried_over:
            added.setdefault(days[-1].number, ServiceIntervals()).add(
                0, Column.OFFERED, carried_over
            )
        return _Own(service, slots, added, carried)

    return Scan(scope.services, read, view.hooks.services, min(scope.rows, _SERVICES_OF_TURN))


def _copied(intervals: ServiceIntervals, first: int) -> ServiceIntervals:
    """The slots from ``first`` on, and the rest of their hour, as they are now."""
    hours = {
        hour: cells[:] for hour, cells in intervals.hours.items() if hour >= first // SLOTS_OF_HOUR
    }
    return ServiceIntervals(hours, intervals.waits_from(first))


def _waiting(scope: Scope, moment: Moment, today: Day) -> dict[int, tuple[int, int]]:
    """How many calls wait at each service, and how many of them have since before midnight."""
    found: dict[int, tuple[int, int]] = {}
    for service, call in scope.view.calls_in_progress(scope.services):
        if call.waiting:
            count, over = found.get(service, (0, 0))
            over += call.waited_over(today.begin, moment.quiet_call)
            found[service] = (count + 1, over)
    return found


def _uncounted(
    view: FloorView, service: int, moment: Moment, first_slots: Sequence[tuple[Day, int]]
) -> dict[int, ServiceIntervals]:
    """The time of agents in their present states, which no event has ended yet."""
    added: dict[int, ServiceIntervals] = {}
    for number in view.logged_in((service,)):
        agent = view.present[number]
        if agent.service != service or not agent.state:
            continue
        until = min(moment.now, agent.last_event + moment.quiet_agent)
        for day, first in first_slots:
            begin = max(agent.last_event, day.begin + first * SLOT_MS)
            end = min(until, day.end)
            if begin < end:
                slots = added.setdefault(day.number, ServiceIntervals())
                slots.add_time(agent.state, begin - day.begin, end - day.begin, 1)
    return added


def shown(
    service: Service,
    when: tuple[int, int, bool],
    counted: Sequence[int],
    waits: tuple[int, int, int],
    most: tuple[int, int],
) -> ServiceInterval:
    """The row of an interval.

    ``when`` is its start, its end and whether it is complete; ``waits`` are the 50th and the 90th
    percentile and the maximum; ``most`` are the most agents and waiting calls.
    """
    handled, unqueued = counted[Column.HANDLED], counted[Column.UNQUEUED]
    abandoned, talks = counted[Column.ABANDONED], counted[Column.TALKS]
    talk, wrap_up = counted[Column.TALK], counted[Column.WRAP_UP]
    ready, wrapping = counted[Column.READY_TIME], counted[Column.WRAP_UP_TIME]
    talking = counted[Column.IN_CALL_TIME] + counted[Column.HOLD_TIME]
    busy = talking + wrapping
    logged_in = sum(counted[Column.READY_TIME : Column.AGENTS_MOST])
    moved_on = counted[Column.MOVED_ON :]
    day = ServiceDay(
        handled=handled,
        unqueued=unqueued,
        handled_within=counted[Column.ANSWERED_WITHIN],
        abandoned=abandoned,
        abandoned_within=counted[Column.ABANDONED_WITHIN],
        abandoned_short=counted[Column.ABANDONED_SHORT],
    )
    return ServiceInterval(
        service_id=str(service.id),
        start=when[0],
        end=when[1],
        complete=when[2],
        offered=counted[Column.OFFERED],
        handled=handled,
        abandoned=abandoned,
        moved_on={MOVED_ON[i]: count for i, count in enumerate(moved_on) if count},
        missed=counted[Column.MISSED],
        transferred=counted[Column.TRANSFERRED],
        answered_within_sla=day.handled_within,
        abandoned_within_sla=day.abandoned_within,
        abandoned_short=day.abandoned_short,
        service_level=service_level(service, day),
        abandon_rate=rate(abandoned, handled - unqueued + abandoned),
        average_speed_of_answer=mean_seconds(counted[Column.WAIT], handled - unqueued),
        average_talk_duration=mean_seconds(talk, talks),
        average_wrapup_duration=mean_seconds(wrap_up, talks),
        average_handle_duration=mean_seconds(talk + wrap_up, talks),
        average_hold_duration=mean_seconds(counted[Column.HOLD_TIME], talks),
        wait_p50=waits[0],
        wait_p90=waits[1],
        wait_max=waits[2],
        ready_time=ready // 1000,
        talk_time=talking // 1000,
        wrapup_time=wrapping // 1000,
        not_ready_time=counted[Column.NOT_READY_TIME] // 1000,
        logged_in_time=logged_in // 1000,
        occupancy=rate(busy, busy + ready),
        agents_max=most[0],
        queue_max=most[1],
    )


def _percentile(waits: Sequence[int], percent: int) -> int:
    """The nearest rank: the smallest wait that so many percent of the waits do not exceed."""
    return waits[(len(waits) * percent + 99) // 100 - 1] if waits else 0
