"""Service statistics by interval, of the services in view.

A day's intervals begin at the client's local midnight and are laid out in elapsed time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.json import Encoder

from floorcast.floor.view import (
    NO_SERVICE,
    SLOT_MS,
    SLOTS_OF_HOUR,
    Column,
    Day,
    FloorView,
    ServiceIntervals,
    time_column,
)
from floorcast.statistics.carried_counts import Carried
from floorcast.statistics.consistent_scan import Scan, Slices
from floorcast.statistics.interval_rows import DayOfService, ServiceInterval, Times, rows_of
from floorcast.statistics.requests import DEFAULT_INTERVAL
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["IntervalAnswer", "IntervalSpan", "encoded_intervals", "service_intervals"]

R = TypeVar("R")
_SERVICES_OF_TURN = 4  # services of which a day of rows is made in one turn of the event loop
_FIRST_TIME = int(Column.READY_TIME)
_TIMES = Column.AGENTS_MOST - Column.READY_TIME

_encoder = Encoder()


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
    return Slices([_Intervals(scope, moment, span, list) for scope in scopes])


def encoded_intervals(scopes: Sequence[Scope], moment: Moment, span: IntervalSpan) -> Slices[bytes]:
    """The same rows, each as JSON."""
    return Slices([_Intervals(scope, moment, span, _encoded) for scope in scopes])


def _encoded(rows: Iterable[ServiceInterval | None]) -> list[bytes | None]:
    return [None if row is None else _encoder.encode(row) for row in rows]


_Rows = list[list[R | None]]
"""The rows of a service by day and interval; None: nothing was counted."""


class _Intervals(Generic[R]):
    """The rows of one floor, in the order of the intervals: a service is read at once."""

    def __init__(
        self,
        scope: Scope,
        moment: Moment,
        span: IntervalSpan,
        form: Callable[[Iterable[ServiceInterval | None]], list[R | None]],
    ) -> None:
        self._moment = moment
        self._form = form
        self._width = span.seconds * 1000 // SLOT_MS
        self._view = scope.view
        self._days = _days(scope, moment, span)
        begin = self._days[-1].begin
        if span.last is not None:
            now, width = moment.now, self._width * SLOT_MS
            in_progress = now - (now - begin) % width
            begin = min(in_progress, now - span.last * 1000)
        self._first = [self._slot_after(day, begin) for day in self._days]
        self._waiting = _waiting(scope, moment, self._days[-1])
        self._scan: Scan[_Rows[R] | Callable[[], _Rows[R]]] = Scan(
            scope.services,
            self._rows,
            scope.view.hooks.services,
            min(scope.rows, _SERVICES_OF_TURN),
            copy=self._copy,
        )

    def _slot_after(self, day: Day, begin: int) -> int:
        """The first slot of the first interval of the day that begins at ``begin`` or later."""
        width = self._width * SLOT_MS
        return max(0, -(-(begin - day.begin) // width)) * self._width

    def __iter__(self) -> Iterator[list[R]]:
        """The rows, some per turn; none while services are read."""
        services: list[_Rows[R]] = []
        for some in self._scan:
            services += [one if isinstance(one, list) else one() for one in some]
            yield []
        for rows in zip(*services, strict=True):
            for interval in zip_longest(*rows):
                yield [row for row in interval if row is not None]

    def close(self) -> None:
        """Let the floor go."""
        self._scan.close()

    def _rows(self, number: int) -> _Rows[R] | None:
        """The rows of a service, as it is now."""
        read = self._read(number)
        return None if read is None else self._made(read)

    def _copy(self, number: int) -> Callable[[], _Rows[R]] | None:
        """What makes the rows of a service that is about to change."""
        read = self._read(number, _copied)
        return None if read is None else lambda: self._made(read)

    def _made(self, read: Sequence[DayOfService]) -> _Rows[R]:
        now, width = self._moment.now, self._width
        return [
            self._form(rows_of(day, first, width, now))
            for day, first in zip(read, self._first, strict=True)
        ]

    def _read(
        self,
        number: int,
        copied: Callable[[ServiceIntervals, int], ServiceIntervals] | None = None,
    ) -> Sequence[DayOfService] | None:
        view = self._view
        service = view.services.get(number)
        if service is None or number == NO_SERVICE:
            return None
        days = self._days
        live = {
            day: known
            for day in (days[0].number - 1, *(day.number for day in days))
            if (known := view.intervals_on(day).get(number)) is not None
        }
        waiting, carried_over = self._waiting.get(number, (0, 0))
        present = (len(view.logged_in_to(number)), waiting)
        carried = Carried(live, present, days[0].number, self._first[0])
        if copied is not None:
            carried.slots = {
                day.number: copied(live[day.number], first)
                for day, first in zip(days, self._first, strict=True)
                if day.number in live
            }
        return [
            DayOfService(
                service,
                day,
                carried.slots.get(day.number),
                _times(view, number, self._moment, day, (first, self._width)),
                carried_over if day is days[-1] else 0,
                carried,
            )
            for day, first in zip(days, self._first, strict=True)
        ]


def _days(scope: Scope, moment: Moment, span: IntervalSpan) -> list[Day]:
    """The client's days that the span touches, the last one is today."""
    today = scope.today(moment)
    if span.last is None or moment.now - span.last * 1000 >= today.begin:
        return [today]
    return [scope.view.day_of(today.begin - 1), today]


def _copied(intervals: ServiceIntervals, first: int) -> ServiceIntervals:
    """The slots from ``first`` on, and the rest of their hour, as they are now."""
    hours = {
        hour: cells[:] for hour, cells in intervals.hours.items() if hour >= first // SLOTS_OF_HOUR
    }
    return ServiceIntervals(hours, intervals.waits_from(first))


def _waiting(scope: Scope, moment: Moment, today: Day) -> Mapping[int, tuple[int, int]]:
    """How many calls wait at each service, and how many of them have since before midnight."""
    found: dict[int, tuple[int, int]] = {}
    for service, call in scope.view.calls_in_progress(scope.services):
        if call.waiting:
            count, over = found.get(service, (0, 0))
            over += call.waited_over(today.begin, moment.quiet_call)
            found[service] = (count + 1, over)
    return found


def _times(
    view: FloorView, service: int, moment: Moment, day: Day, intervals: tuple[int, int]
) -> Times:
    """The time of agents in their present states, which no event has ended yet.

    ``intervals`` are their first slot, and how many slots each one has.
    """
    first, width = intervals[0] * SLOT_MS, intervals[1] * SLOT_MS
    times: Times = {}
    for agent in view.logged_in_to(service).values():
        if agent.service != service or not agent.state:
            continue
        begin = max(agent.last_event - day.begin, first)
        end = min(moment.now, agent.last_event + moment.quiet_agent, day.end) - day.begin
        column = time_column(agent.state) - _FIRST_TIME
        while begin < end:
            interval = begin // width
            stop = min(end, (interval + 1) * width)
            try:
                times[interval][column] += stop - begin
            except KeyError:
                times[interval] = [0] * _TIMES
                times[interval][column] = stop - begin
            begin = stop
    return times
