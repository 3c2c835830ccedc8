"""Tests of the percentiles and maxima in a service's rows, and of clocks that are ahead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.floor.view import COLUMNS, MOVED_ON, Column, Service
from floorcast.statistics.interval_rows import interval_row
from floorcast.statistics.service_intervals import IntervalSpan
from tests.floor.random_floors import PLAN, agent, call
from tests.statistics.floors import fold_events, moment_at
from tests.statistics.test_service_intervals import rows_of


@pytest.mark.parametrize(
    ("count", "p50", "p90"), [(1, 1, 1), (9, 5, 9), (10, 5, 9), (11, 6, 10), (101, 51, 91)]
)
def test_percentiles_are_nearest_ranks(count: int, p50: int, p90: int) -> None:
    """For waits of 1, 2, 3 ... s, a percentile is the rank that is not below its share."""
    events = [call("call.queue", 0, number, service=10) for number in range(1, count + 1)]
    events += [call("call.answer", number, number) for number in range(1, count + 1)]
    (row,) = rows_of(fold_events(PLAN, events), 1000, IntervalSpan(3600))
    assert (row.wait_p50, row.wait_p90, row.wait_max) == (p50, p90, count)
    assert (row.offered, row.handled, row.queue_max) == (count, count, count)


def test_agents_max_is_carried_into_intervals_without_a_change() -> None:
    """Two agents log on at noon, and one of them logs off in the second hour."""
    events = [agent("READY", 0, "ANN", service=10), agent("READY", 1, "BOB", service=10)]
    floor = fold_events(PLAN, events)
    floor.begin_entry(50, moment_at(5000).now * 10_000)
    floor.fold(agent("LOGOFF", 5000, "BOB"), moment_at(5000).now * 10_000, "-")
    rows = rows_of(floor, 12_000, IntervalSpan(3600))
    assert [row.agents_max for row in rows] == [2, 2, 1, 1]


def test_a_call_whose_source_s_clock_is_ahead_is_in_the_next_interval() -> None:
    """A future interval is shown at once, because the intervals would not add up without it."""
    floor = fold_events(PLAN, [call("call.queue", 1000, 1, service=10)])
    (row,) = rows_of(floor, 800)
    assert (row.offered, row.start, row.complete) == (1, moment_at(900).now, False)


@given(st.lists(st.integers(0, 10**6), min_size=COLUMNS, max_size=COLUMNS))
def test_every_counter_has_its_own_figure(counted: list[int]) -> None:
    """Columns are read by position, so each counter must be in the right place."""
    row = interval_row(Service(id=7, name="-"), (0, 900_000, True), counted, (1, 2, 3), (4, 5))
    assert (row.service_id, row.offered, row.handled) == ("7", counted[0], counted[1])
    assert (row.missed, row.transferred) == (
        counted[Column.MISSED],
        counted[Column.TRANSFERRED],
    )
    assert (row.abandoned, row.abandoned_short, row.abandoned_within_sla) == (
        counted[Column.ABANDONED],
        counted[Column.ABANDONED_SHORT],
        counted[Column.ABANDONED_WITHIN],
    )
    assert row.answered_within_sla == counted[Column.ANSWERED_WITHIN]
    times = counted[Column.READY_TIME : Column.AGENTS_MOST]
    assert row.logged_in_time == sum(times) // 1000
    assert row.ready_time == counted[Column.READY_TIME] // 1000
    assert row.talk_time == (counted[Column.IN_CALL_TIME] + counted[Column.HOLD_TIME]) // 1000
    assert row.wrapup_time == counted[Column.WRAP_UP_TIME] // 1000
    assert row.not_ready_time == counted[Column.NOT_READY_TIME] // 1000
    moved_on = counted[Column.MOVED_ON :]
    assert row.moved_on == {MOVED_ON[i]: count for i, count in enumerate(moved_on) if count}
    talks = counted[Column.TALKS]
    talk = (2 * counted[Column.TALK] + 1000 * talks) // (2000 * talks) if talks else 0
    assert row.average_talk_duration == talk
    assert (row.wait_p50, row.wait_p90, row.wait_max) == (1, 2, 3)
    assert (row.agents_max, row.queue_max) == (4, 5)
