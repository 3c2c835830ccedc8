"""Tests that a request for the calls behind a figure can name a day and an interval."""

from __future__ import annotations

import pytest

from floorcast.floor.view import FloorView
from floorcast.model.errors import InvalidParameter
from floorcast.statistics.figure_days import FigureDay, read_figure_day
from floorcast.statistics.requests import Figure
from floorcast.statistics.visibility import Moment
from tests.floor.random_floors import new_floor
from tests.statistics.floors import moment_at

HOUR = 3_600_000
NOON = moment_at(0).now
MIDNIGHT = NOON - 12 * HOUR
VIEW = FloorView(new_floor())
TODAY = VIEW.day_of(NOON).number


def read(
    start: object = None,
    end: object = None,
    *,
    figure: Figure = "totalHandled",
    now: int = NOON,
    first_page_day: int | None = None,
) -> FigureDay:
    """Parse a request that arrives at noon by default."""
    return read_figure_day(VIEW, Moment(now), figure, (start, end), first_page_day)


def test_without_an_interval_the_day_is_today() -> None:
    """A request without an interval is about today, for a current figure, too."""
    assert read() == (TODAY, None, None)
    assert read(figure="callsWithAgent") == (TODAY, None, None)


def test_an_interval_selects_its_own_day() -> None:
    """An interval may lie within today or the last 24 hours."""
    assert read(NOON - HOUR, NOON) == (TODAY, NOON - HOUR, NOON)
    assert read(MIDNIGHT - HOUR, MIDNIGHT) == (TODAY - 1, MIDNIGHT - HOUR, MIDNIGHT)
    assert read(NOON, NOON + 300_000).start == NOON


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NOON, None),
        (None, NOON),
        (NOON, NOON),
        (NOON + 1, NOON + HOUR),
        (NOON, NOON + 1),
        (MIDNIGHT - HOUR, NOON),
        (NOON - 25 * HOUR, NOON - 24 * HOUR),
        ("x", NOON),
        (True, NOON),
        (-300_000, NOON),
    ],
)
def test_other_intervals_are_refused(start: object, end: object) -> None:
    """Intervals that are partial, misaligned, too old or on two days are refused."""
    with pytest.raises(InvalidParameter, match=r"start|end"):
        read(start, end)


def test_a_live_figure_has_no_interval() -> None:
    """A current figure exists only for the present, so an interval is refused."""
    with pytest.raises(InvalidParameter, match="leave out start and end"):
        read(NOON, NOON + HOUR, figure="totalCallsInQueue")


def test_yesterday_s_pages_can_be_read_for_an_hour_after_midnight() -> None:
    """A list that was begun before midnight can be read to its end for an hour."""
    assert read(now=MIDNIGHT + HOUR - 1, first_page_day=TODAY - 1).day == TODAY - 1
    assert read(first_page_day=TODAY).day == TODAY
    for now, first_page_day in ((MIDNIGHT + HOUR, TODAY - 1), (NOON, TODAY - 2), (NOON, TODAY + 1)):
        with pytest.raises(InvalidParameter, match="cursor is of a day that is over"):
            read(now=now, first_page_day=first_page_day)
