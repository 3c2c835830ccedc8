"""Service statistics by interval, for the services in view.

A day's intervals begin at the client's local midnight and count elapsed time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar

from msgspec import Struct
from msgspec.json import Encoder

from floorcast.floor.view import (
    NO_SERVICE,
    SLOT_MS,
    SLOTS_OF_HOUR,
    Call,
    Day,
    ServiceIntervals,
)
from floorcast.statistics.cached_reading import (
    CachedReading,
    CachedRows,
    RowsOfDay,
    UncachedReading,
    free_in_steps,
)
from floorcast.statistics.consistent_scan import Scan, Slices
from floorcast.statistics.interval_cache import IntervalCache
from floorcast.statistics.interval_rows import (
    AgentTimes,
    CurrentService,
    ServiceDayData,
    ServiceInterval,
    rows_by_interval,
    slots_until,
)
from floorcast.statistics.present_states import (
    DayPart,
    LargeServices,
    add_times,
    states_at,
    waiting_at,
)
from floorcast.statistics.requests import DEFAULT_INTERVAL
from floorcast.statistics.running_counts import RunningCounts
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["IntervalAnswer", "IntervalSpan", "encoded_intervals", "service_intervals"]

R = TypeVar("R")
_ROWS_PER_TURN = 200  # the most rows made in one turn of the event loop; one service may have more
_SERVICES_PER_TURN = 20  # the most services read in one turn, even if each has few rows to make

_encoder = Encoder()


class IntervalAnswer(Struct, rename="camel"):
    """The intervals in which anything was counted, ordered by start and then by service id."""

    intervals: list[ServiceInterval]
    time_stamp: int


class IntervalSpan(NamedTuple):
    """The requested intervals of ``seconds`` each: today's, or those in the ``last`` seconds."""

    seconds: int = DEFAULT_INTERVAL
    last: int | None = None


def service_intervals(
    scopes: Sequence[Scope], moment: Moment, span: IntervalSpan
) -> Slices[ServiceInterval]:
    """Return a row for each service in view and each interval in which anything was counted."""
    return Slices([_Rows(scope, moment, span, list, UncachedReading) for scope in scopes])


def encoded_intervals(
    scopes: Sequence[Scope],
    moment: Moment,
    span: IntervalSpan,
    cache: IntervalCache | None = None,
) -> Slices[bytes]:
    """Return the rows of ``service_intervals`` as JSON, and reuse cached rows.

    An item can consist of several rows that are joined by commas.
    """
    if cache is None:
        return Slices([_Rows(scope, moment, span, _encoded, UncachedReading) for scope in scopes])
    return Slices(
        [
            _Rows(scope, moment, span, _encoded, partial(CachedReading, cache, scope, moment))
            for scope in scopes
        ]
    )


def _encoded(rows: Iterable[ServiceInterval | None]) -> list[bytes | None]:
    return [None if row is None else _encoder.encode(row) for row in rows]


class _IntervalReading(Protocol[R]):
    def find(self, own: CurrentService, day: Day, first: int) -> CachedRows: ...

    def cache_rows(self, found: CachedRows, day: Day, computed: Sequence[R | None]) -> None: ...

    def intervals(
        self, day: Day, first: int, parts: Sequence[RowsOfDay[R]]
    ) -> Iterator[list[R]]: ...


_ServiceRows = list[RowsOfDay[R]] | Callable[[], list[RowsOfDay[R]]]
"""A service's rows by day, or a function that makes them."""


class _Rows(Generic[R]):
    """The rows of one floor, in the order of the intervals. All rows of a service are read at once.

    ``form`` converts rows to the requested form. ``read`` takes the days, with the first slot of
    each, and the number of slots per interval. It begins to read the rows that are cached.
    """

    def __init__(
        self,
        scope: Scope,
        moment: Moment,
        span: IntervalSpan,
        form: Callable[[Iterable[ServiceInterval | None]], list[R | None]],
        read: Callable[[Sequence[tuple[Day, int]], int], _IntervalReading[R]],
    ) -> None:
        self._moment = moment
        self._form = form
        self._width = span.seconds * 1000 // SLOT_MS
        self._view = scope.view
        days = _days(scope, moment, span)
        begin = days[-1].begin
        if span.last is not None:
            now, width = moment.now, self._width * SLOT_MS
            in_progress = now - (now - begin) % width
            begin = min(in_progress, now - span.last * 1000)
        self._days = [(day, self._slot_after(day, begin)) for day in days]
        parts = [DayPart(day, first, self._width) for day, first in self._days]
        self._large = LargeServices(scope, moment, parts)
        self._reading = read(self._days, self._width)
        self._scan: Scan[_ServiceRows[R]] = Scan(
            scope.services,
            self._service_rows,
            scope.view.hooks.services,
            self._services_per_turn(scope),
            copy=self._copy,
            calls=(scope.view.hooks.calls, _service_of),
        )

    def _slot_after(self, day: Day, begin: int) -> int:
        """Return the first slot of the day's first interval that begins at ``begin`` or later."""
        width = self._width * SLOT_MS
        return max(0, -(-(begin - day.begin) // width)) * self._width

    def _services_per_turn(self, scope: Scope) -> int:
        slots = sum(slots_until(day, self._moment.now) - first for day, first in self._days)
        most = _ROWS_PER_TURN * self._width // max(1, slots)
        return max(1, min(scope.rows, _SERVICES_PER_TURN, most))

    def __iter__(self) -> Iterator[list[R]]:
        """Yield a few rows per turn, and empty lists while the services are read."""
        services: list[list[RowsOfDay[R]]] = []
        for _ in self._large:
            yield []
        for some in self._scan:
            services += [one if isinstance(one, list) else one() for one in some]
            yield []
        days = [list(parts) for parts in zip(*services, strict=True)]
        services.clear()
        for (day, first), parts in zip(self._days, days, strict=False):
            yield from self._reading.intervals(day, first, parts)
            yield from free_in_steps(parts)

    def close(self) -> None:
        """Release the floor."""
        self._large.close()
        self._scan.close()

    def _service_rows(self, number: int) -> _ServiceRows[R] | None:
        """Return the rows of a service in its present state, by day."""
        if number in self._large.numbers:
            return self._copy_large(number)
        own = self._current_service(number)
        if own is None:
            return None
        return [self._of_day(own, day, first) for day, first in self._days]

    def _of_day(self, own: CurrentService, day: Day, first: int) -> RowsOfDay[R]:
        found = self._reading.find(own, day, first)
        computed = self._rows(self._read(own, day, found))
        self._reading.cache_rows(found, day, computed)
        return found.rows, computed

    def _copy(self, number: int) -> Callable[[], list[RowsOfDay[R]]] | None:
        """Copy the data for the rows of a service that is about to change."""
        if number in self._large.numbers:
            return self._copy_large(number)
        own = self._current_service(number)
        if own is None:
            return None
        days = []
        for day, first in self._days:
            found = self._reading.find(own, day, first)
            days.append((found.rows, self._read(own, day, found, copied=True)))
        return lambda: [(rows, self._rows(read)) for rows, read in days]

    def _copy_large(self, number: int) -> Callable[[], list[RowsOfDay[R]]] | None:
        """Copy a large service's slots. The function that makes the rows does not cache them."""
        service = self._view.services.get(number)
        if service is None or number == NO_SERVICE:
            return None
        slots = {day: _copied(known, 0) for day, known in self._slots_of(number).items()}
        agents = len(self._view.logged_in_to(number))

        def rows() -> list[RowsOfDay[R]]:
            waiting, over = self._large.waiting[number]
            own = CurrentService(service, slots, (agents, waiting), over, [])
            days = zip(self._days, self._large.times[number], strict=True)
            return [self._of_large(own, day, first, times) for (day, first), times in days]

        return rows

    def _of_large(
        self, own: CurrentService, day: Day, first: int, times: AgentTimes
    ) -> RowsOfDay[R]:
        found = UncachedReading[R](self._days, self._width).find(own, day, first)
        data = self._data(own, day, found, own.slots.get(day.number), times)
        return found.rows, self._rows((data, first))

    def _rows(self, read: tuple[ServiceDayData, int]) -> list[R | None]:
        day, first = read
        return self._form(rows_by_interval(day, first, self._width, self._moment.now))

    def _current_service(self, number: int) -> CurrentService | None:
        service = self._view.services.get(number)
        if service is None or number == NO_SERVICE:
            return None
        midnight, quiet_call = self._days[-1][0].begin, self._moment.quiet_call
        waiting, over = waiting_at(self._view, number, midnight, quiet_call)
        present = (len(self._view.logged_in_to(number)), waiting)
        states = states_at(self._view, number)
        return CurrentService(service, self._slots_of(number), present, over, states)

    def _slots_of(self, number: int) -> dict[int, ServiceIntervals]:
        """Return a service's slots by day. The day before the first shows earlier numbers."""
        first = self._days[0][0].number
        return {
            day: known
            for day in (first - 1, *(day.number for day, _ in self._days))
            if (known := self._view.intervals_on(day).get(number)) is not None
        }

    def _read(
        self, own: CurrentService, day: Day, found: CachedRows, *, copied: bool = False
    ) -> tuple[ServiceDayData, int]:
        """Read the data for those rows of a service and day that follow the cached ones."""
        first = found.rows.end * self._width
        times: AgentTimes = {}
        add_times(times, own.states, self._moment, DayPart(day, first, self._width))
        slots = own.slots.get(day.number)
        if slots is not None and copied:
            slots = _copied(slots, first)
        return self._data(own, day, found, slots, times), first

    def _data(
        self,
        own: CurrentService,
        day: Day,
        found: CachedRows,
        slots: ServiceIntervals | None,
        times: AgentTimes,
    ) -> ServiceDayData:
        running_counts = RunningCounts(
            {} if slots is None else {day.number: slots}, found.counts_before
        )
        over = own.carried_over if day is self._days[-1][0] else 0
        return ServiceDayData(own.service, day, slots, times, over, running_counts)


def _days(scope: Scope, moment: Moment, span: IntervalSpan) -> list[Day]:
    """Return the client's days that the span touches. The last one is today."""
    today = scope.today(moment)
    if span.last is None or moment.now - span.last * 1000 >= today.begin:
        return [today]
    return [scope.view.day_of(today.begin - 1), today]


def _copied(intervals: ServiceIntervals, first: int) -> ServiceIntervals:
    """Copy the slots from ``first`` onward. The copy begins with the first slot's whole hour."""
    hours = {
        hour: cells[:] for hour, cells in intervals.hours.items() if hour >= first // SLOTS_OF_HOUR
    }
    return ServiceIntervals(hours, intervals.waits_from(first))


def _service_of(call: Call) -> tuple[int]:
    """Return the service that a call is at, whose rows count it if it waits.

    A service that the call then moves to is reported by the service's own hooks.
    """
    return (call.current_service,)
