"""Tests that a current state's time ends at midnight and for quiet agents, on any kind of day."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import FloorConfig, Service
from floorcast.statistics import present_agents
from floorcast.statistics.agent_averages import agent_averages, averages_answer
from floorcast.statistics.agent_stats import ServiceFigures, agent_statistics, agent_statistics_ex
from floorcast.statistics.agent_status import agent_status
from floorcast.statistics.visibility import Moment, Scope
from tests.floor.random_floors import PLAN, agent_events, call_events
from tests.statistics.floors import agent_at, as_json, at, fold_events, moment_at, only, scopes

HOUR = 3_600_000


def plan(zone: str) -> FloorConfig:
    return FloorConfig(time_zone=zone, services=(Service(id=10, name="Sales"),))


def figures(zone: str, begin: str, now: int, kind: str = "READY") -> ServiceFigures:
    """Return the figures of an agent that has sent nothing since it entered a state."""
    floor = fold_events(plan(zone), [agent_at(kind, begin, service=10)])
    agent = only(agent_statistics_ex(scopes(floor), Moment(now)).all())
    return only(agent.services)


def test_an_agent_that_has_been_ready_for_40_s_adds_40_s() -> None:
    """The time counts although no event has ended the state yet."""
    begin = "2026-11-23T12:00:00-05:00"
    assert figures("America/New_York", begin, at(begin) + 40_999).ready_duration == 40


def test_only_time_since_midnight_counts_today() -> None:
    """A state that began yesterday counts as a visit today."""
    floor = fold_events(
        plan("America/New_York"), [agent_at("READY", "2026-11-22T22:00:00-05:00", service=10)]
    )
    moment = Moment(at("2026-11-23T00:10:00-05:00"))
    row = only(agent_statistics(scopes(floor), moment).all())
    assert row.ready_duration == 600
    assert row.state_changed_time == at("2026-11-22T22:00:00-05:00")
    averages = only(
        averages_answer(agent_averages(scopes(floor), moment).all(), moment).agent_averages
    )
    assert averages.average_ready_time == "600"


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Europe/London", "2026-03-29", 23),
        ("Europe/London", "2026-10-25", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Asia/Kathmandu", "2026-06-05", 24),
        ("Africa/Cairo", "2026-04-24", 23),
        ("Pacific/Kiritimati", "2026-06-05", 24),
    ],
)
def test_a_day_has_the_length_of_the_calendar_day(zone: str, day: str, hours: float) -> None:
    """The time of an agent that is ready over two midnights is divided among the days."""
    here = ZoneInfo(zone)
    start = datetime.fromisoformat(day).replace(tzinfo=here)
    end = (start + timedelta(days=1)).timestamp() * 1000
    begin = int(start.timestamp() * 1000) - HOUR
    floor = fold_events(
        plan(zone),
        [agent_at("READY", begin, service=10), agent_at("LOGOFF", int(end) + HOUR)],
    )
    days = floor.state.counters.agent_days
    spent = [services[10][number].time[2] for services in days.values() for number in services[10]]
    # two days are kept, so the log's first day has been dropped by the end
    assert spent[-2:] == [hours * HOUR, HOUR]


def test_a_quiet_agent_adds_no_more_time() -> None:
    """Sixteen hours after its last event, an agent is no longer shown and its time stops."""
    begin = at("2026-11-23T01:00:00-05:00")
    floor = fold_events(plan("America/New_York"), [agent_at("READY", begin, service=10)])
    just, over = Moment(begin + 16 * HOUR - 1), Moment(begin + 16 * HOUR)
    assert only(agent_statistics(scopes(floor), just).all()).ready_duration == 16 * 3600 - 1
    assert agent_statistics(scopes(floor), over).all() == []
    later = Moment(begin + 20 * HOUR)
    row = only(agent_statistics_ex(scopes(floor), later).all())
    assert only(row.services).ready_duration == 16 * 3600
    tomorrow = Moment(begin + 40 * HOUR)
    assert agent_statistics_ex(scopes(floor), tomorrow).all() == []


def test_an_event_makes_a_quiet_agent_count_again() -> None:
    """When the next event arrives, the whole time before it counts for the previous state."""
    begin = at("2026-11-23T01:00:00-05:00")
    events = [agent_at("READY", begin, service=10), agent_at("NOT_READY", begin + 20 * HOUR)]
    floor = fold_events(plan("America/New_York"), events)
    row = only(agent_statistics(scopes(floor), Moment(begin + 20 * HOUR)).all())
    assert (row.agent_status, row.ready_duration) == ("Not Ready", 20 * 3600)


@pytest.mark.parametrize(("earlier", "rows"), [(0, 0), (-1, 1)])
def test_an_agent_that_is_gone_at_midnight_is_not_of_the_new_day(earlier: int, rows: int) -> None:
    """An agent that becomes quiet a millisecond after midnight was logged in today."""
    midnight = at("2026-11-23T00:00:00-05:00")
    floor = fold_events(
        plan("America/New_York"),
        [agent_at("READY", midnight - 16 * HOUR - earlier, service=10)],
    )
    assert len(agent_statistics_ex(scopes(floor), Moment(midnight + 5)).all()) == rows


def answers(of: list[Scope], moment: Moment) -> list[object]:
    """Return the answers of the methods that list agents."""
    totals = agent_averages(of, moment).all()
    return [
        *(as_json(row) for row in agent_status(of, moment).all()),
        *(as_json(row) for row in agent_status(of, moment, 1).all()),
        *(as_json(row) for row in agent_statistics(of, moment).all()),
        *(as_json(row) for row in agent_statistics_ex(of, moment).all()),
        as_json(averages_answer(totals, moment)),
        len(totals),
    ]


@given(
    st.lists(call_events() | agent_events(), min_size=1, max_size=30),
    st.sampled_from([(), (10,), (20,), (10, 20)]),
    st.sampled_from([500, 12.5 * 3600, 15 * 3600, 40 * 3600]),
)
def test_agents_are_listed_alike_for_few_services_and_for_many(
    story: list[InboundEvent], services: tuple[int, ...], seconds: float
) -> None:
    """A scan of all agents lists the same ones as the indexes by service, also on the next day."""
    floor, moment = fold_events(PLAN, story), moment_at(seconds)
    few = answers(scopes(floor, *services), moment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(present_agents, "_MANY_SERVICES", 0)
        assert answers(scopes(floor, *services), moment) == few
