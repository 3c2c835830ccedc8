"""Tests of the rows, time spans and sums of service statistics by interval."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState
from floorcast.model.inbound import InboundEvent
from floorcast.statistics.cached_reading import free_in_steps
from floorcast.statistics.interval_rows import ServiceInterval
from floorcast.statistics.service_intervals import IntervalSpan, service_intervals
from floorcast.statistics.service_stats import service_stats
from floorcast.statistics.visibility import Moment
from tests.floor.random_floors import PLAN, agent, agent_events, call, call_events, fold_all
from tests.statistics.floors import fold_events, moment_at, scopes

STORIES = st.lists(call_events() | agent_events(), max_size=40)
MS_PER_HOUR = 3_600_000


def rows_of(
    floor: Floor, seconds: float, span: IntervalSpan | None = None
) -> list[ServiceInterval]:
    """Return the rows of all services at a time in seconds after noon."""
    return service_intervals(scopes(floor), moment_at(seconds), span or IntervalSpan()).all()


@given(STORIES, st.sampled_from([300, 900, 1800, 3600]))
def test_intervals_sum_to_the_day(story: list[InboundEvent], seconds: int) -> None:
    """For any interval length, each count adds up to the count in service statistics."""
    floor = fold_events(PLAN, story)
    rows = rows_of(floor, 1000, IntervalSpan(seconds))
    for day in service_stats(scopes(floor), moment_at(1000)).all():
        own = [row for row in rows if row.service_id == day.service_id]
        assert sum(row.offered for row in own) == day.total_offered
        assert sum(row.handled for row in own) == day.total_handled
        assert sum(row.abandoned for row in own) == day.total_abandoned
        assert sum(row.answered_within_sla for row in own) == day.total_calls_answered_within_sla
        assert sum(row.abandoned_within_sla for row in own) == day.total_calls_abandoned_within_sla
    keys = [(row.start, int(row.service_id)) for row in rows]
    assert keys == sorted(set(keys))


def test_the_current_state_counts_up_to_now_and_is_split_at_boundaries() -> None:
    """An agent that has been ready for 20 minutes without an event is in two intervals."""
    rows = rows_of(fold_events(PLAN, [agent("READY", 0, service=10)]), 1200)
    assert [(row.ready_time, row.occupancy, row.complete) for row in rows] == [
        (900, 0, True),
        (300, 0, False),
    ]


def test_last_returns_the_current_interval_and_those_that_began_within_it() -> None:
    """The current interval is always included. Others are included only if they fit completely."""
    events = [call("call.queue", 600 * number, number, service=10) for number in range(5)]
    floor = fold_events(PLAN, [*events])
    spans = (IntervalSpan(900), IntervalSpan(900, 1800), IntervalSpan(900, 1))
    starts = [[row.start for row in rows_of(floor, 2500, span)] for span in spans]
    first = moment_at(0).now
    quarters = [first, first + 900_000, first + 1_800_000]
    assert starts == [quarters, quarters[1:], quarters[2:]]


def test_a_call_that_waits_over_midnight_is_offered_in_the_first_interval() -> None:
    """A call that waits over midnight is offered again on the new day, as in service statistics."""
    floor = fold_events(PLAN, [call("call.queue", 11.9 * 3600, 1, service=10)])
    floor.begin_entry(90, moment_at(12.2 * 3600).now * 10_000)
    (row,) = rows_of(floor, 12.2 * 3600)
    (day,) = service_stats(scopes(floor), moment_at(12.2 * 3600)).all()
    assert (row.offered, day.total_offered) == (1, 1)
    assert row.start == moment_at(12 * 3600).now


@pytest.mark.parametrize(
    ("zone", "day", "quarters"),
    [
        ("America/New_York", (2026, 3, 8), 92),
        ("America/New_York", (2026, 11, 1), 100),
        ("Australia/Lord_Howe", (2026, 4, 5), 98),
        ("Australia/Lord_Howe", (2026, 10, 4), 94),
        ("Pacific/Kiritimati", (2026, 11, 24), 96),
    ],
)
def test_a_day_has_as_many_intervals_as_its_hours(
    zone: str, day: tuple[int, int, int], quarters: int
) -> None:
    """A day can have 23, 24 or 25 hours, or half an hour more or less, from local midnight."""
    midnight = int(datetime(*day, tzinfo=ZoneInfo(zone)).timestamp() * 1000)
    floor = Floor(FloorState(client=1))
    floor.begin_entry(1, midnight * 10_000)
    floor.apply(replace(PLAN, time_zone=zone))
    at = datetime.fromtimestamp(midnight / 1000, UTC)
    fold_all(floor, [], begin=2)
    ready = agent("READY", 0, service=10)
    floor.fold(replace(ready, time=at), midnight * 10_000, "-")
    end = midnight + quarters * 900_000
    rows = service_intervals(
        scopes(floor), Moment(end - 1, quiet_agent=10**9), IntervalSpan()
    ).all()
    assert [row.start for row in rows] == list(range(midnight, end, 900_000))
    assert rows[-1].end == end
    assert sum(row.ready_time for row in rows) in range(quarters * 900 - 2, quarters * 900 + 1)


def test_rows_are_freed_in_steps() -> None:
    """The rows of many services are not freed in one turn at the end."""
    rows = [[None]] * 250
    left = [len(rows) for _ in free_in_steps(rows)]
    assert left == [150, 50, 0]
