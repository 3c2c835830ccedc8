"""Tests that agent averages divide time by visits."""

from __future__ import annotations

from floorcast.model.inbound import InboundEvent
from floorcast.statistics.agent_averages import (
    AgentAverages,
    agent_averages,
    averages_answer,
    sum_totals,
)
from tests.floor.random_floors import agent, fold_all, new_floor
from tests.statistics.floors import moment_at, only, scopes


def averages(
    seconds: float, *events: InboundEvent, services: tuple[int, ...] = ()
) -> AgentAverages:
    floor = new_floor()
    fold_all(floor, list(events))
    totals = agent_averages(scopes(floor, *services), moment_at(seconds)).all()
    return only(averages_answer(totals, moment_at(seconds)).agent_averages)


def test_coming_back_from_hold_continues_the_visit_to_in_call() -> None:
    """One call visit of 50 s contains two hold visits."""
    row = averages(
        100,
        agent("IN_CALL", 0, service=10),
        agent("AGENT_HOLD", 20),
        agent("AGENT_RESUMED", 25),
        agent("AGENT_HOLD", 40),
        agent("AGENT_RESUMED", 60),
        agent("LOGOFF", 75),
    )
    assert (row.average_talk_time, row.average_hold_time) == ("50", "13")


def test_the_current_visit_counts() -> None:
    """The agent was ready for 10 s earlier, and has now been ready for 4 s."""
    row = averages(24, agent("READY", 0, service=10), agent("NOT_READY", 10), agent("READY", 20))
    assert (row.average_ready_time, row.average_not_ready_time) == ("7", "10")


def test_all_selected_agents_count_including_logged_off_ones() -> None:
    """Agents that have logged off count, but only on the requested services."""
    events = (
        agent("READY", 0, service=10),
        agent("READY", 0, "BOB", service=10),
        agent("READY", 0, 9, service=20),
        agent("LOGOFF", 30, "BOB"),
    )
    assert averages(50, *events, services=(10,)).average_ready_time == "40"
    assert averages(50, *events, services=(20,)).average_ready_time == "50"
    assert averages(50, *events).average_ready_time == "43"


def test_a_visit_counts_for_each_service_that_it_touches() -> None:
    """If an agent changes its service while it is ready, the visit counts for both services."""
    events = (agent("READY", 0, service=10), agent("READY", 30, service=20))
    assert averages(90, *events, services=(10,)).average_ready_time == "30"
    assert averages(90, *events, services=(20,)).average_ready_time == "60"
    assert averages(90, *events).average_ready_time == "45"


def test_averages_without_agents_are_0() -> None:
    """Without agents, there is still one row, with averages of 0 and the time of the response."""
    row = averages(5)
    assert row.average_ready_time == "0"
    assert row.time_stamp == str(moment_at(5).now)


def test_totals_may_be_summed_slice_by_slice() -> None:
    """Adding up the sums of slices gives the same result as adding up all totals."""
    one, two, three = ([n] * 13 for n in (1, 2, 3))
    assert sum_totals([(one, two), sum_totals([(two, one), (three, three)])]) == (
        [6] * 13,
        [6] * 13,
    )
    assert sum_totals([]) == ([0] * 13, [0] * 13)
