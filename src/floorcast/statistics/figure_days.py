"""Reads the day and the interval in a request for the calls behind a figure."""

from __future__ import annotations

from typing import NamedTuple

from floorcast.floor.view import SLOT_MS, FloorView
from floorcast.model.errors import InvalidParameter
from floorcast.statistics.requests import LIVE_FIGURES, MAX_LAST_SECONDS, MAX_TIME_MS, Figure
from floorcast.statistics.visibility import Moment

__all__ = ["FigureDay", "read_figure_day", "read_figure_moment"]

_PAGING_MS = 3_600_000  # how long after midnight the previous day's pages can still be read


class FigureDay(NamedTuple):
    """A day's number and an interval of that day, in ms.

    ``start`` and ``end`` are None for the whole day.
    """

    day: int
    start: int | None = None
    end: int | None = None


def read_figure_day(
    view: FloorView,
    moment: Moment,
    figure: Figure,
    given: tuple[object, object],
    first_page_day: int | None,
) -> FigureDay:
    """Check ``start`` and ``end`` (in ``given``), and return the day that they select.

    ``first_page_day`` is the day on which the first page was read. Raises InvalidParameter.
    """
    start, end = given
    today = view.day_of(moment.now)
    if start is None and end is None:
        return FigureDay(_day(view, moment, first_page_day))
    if figure in LIVE_FIGURES:
        raise InvalidParameter(f"{figure} is a figure of now: leave out start and end")
    begin, until = _moment("start", start), _moment("end", end)
    day = view.day_of(begin)
    fits = day.begin <= begin < until <= day.end and (begin - day.begin) % SLOT_MS == 0
    if not fits or ((until - day.begin) % SLOT_MS and until != day.end):
        raise InvalidParameter(
            "start and end must be those of an interval of service/stats/intervals: multiples of"
            " 5 minutes after the client's midnight, on one day"
        )
    if begin < min(today.begin, moment.now - MAX_LAST_SECONDS * 1000):
        raise InvalidParameter(
            f"start must lie within today or the last {MAX_LAST_SECONDS:,} seconds"
        )
    return FigureDay(day.number, begin, until)


def _day(view: FloorView, moment: Moment, first_page_day: int | None) -> int:
    today = view.day_of(moment.now)
    if first_page_day is None or first_page_day == today.number:
        return today.number
    before = view.day_of(today.begin - 1)
    if first_page_day == before.number and moment.now - today.begin < _PAGING_MS:
        return first_page_day
    raise InvalidParameter("cursor is of a day that is over: leave it out to begin with today")


def read_figure_moment(name: str, value: object) -> int | None:
    """Check the format of ``start`` or ``end``. None means that the parameter is not given.

    Raises InvalidParameter.
    """
    return None if value is None else _moment(name, value)


def _moment(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_TIME_MS:
        return value
    raise InvalidParameter(
        f"{name} must be milliseconds since 1970, as service/stats/intervals has it; start and end"
        " come together"
    )
