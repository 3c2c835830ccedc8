"""Tests that agent statistics list the right agents and have consistent sums."""

from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from floorcast.floor.floor import Floor
from floorcast.floor.state import from_snapshot, snapshot_parts
from floorcast.model.inbound import AgentState, InboundEvent
from floorcast.statistics.agent_stats import (
    AgentServices,
    agent_statistics,
    agent_statistics_ex,
)
from tests.floor.random_floors import (
    agent,
    agent_events,
    call,
    call_events,
    fold_all,
    new_floor,
)
from tests.statistics.floors import as_json, moment_at, only, scopes

ANY_EVENTS = st.lists(agent_events() | call_events(), max_size=40)
REASONS = ("Lunch", "Training", "Break", "Meeting", "TechDiff", "Other")


def day_of(*events: InboundEvent) -> Floor:
    floor = new_floor()
    fold_all(floor, list(events))
    return floor


def services(row: AgentServices) -> dict[int | None, tuple[int, int]]:
    """Return the ready time and the inbound calls for each service in a row."""
    return {one.id: (one.ready_duration, one.inbound_calls) for one in row.services}


def test_stats_lists_present_agents_and_stats_ex_all_agents_of_today() -> None:
    """The old method shows an agent at its current service, and the new one at all of today's."""
    floor = day_of(
        agent("READY", 0, service=10),
        agent("READY", 30, service=20),
        agent("READY", 0, "BOB", service=10),
        agent("LOGOFF", 60, "BOB"),
    )
    now = moment_at(100)
    assert agent_statistics(scopes(floor, 10), now).all() == []
    assert [row.ready_duration for row in agent_statistics(scopes(floor, 20), now).all()] == [70]
    ex = agent_statistics_ex(scopes(floor, 10), now).all()
    assert [(row.agent_login_id, services(row)) for row in ex] == [
        ("ANN", {10: (30, 0)}),
        ("BOB", {10: (60, 0)}),
    ]
    assert services(agent_statistics_ex(scopes(floor), now).all()[0]) == {10: (30, 0), 20: (70, 0)}


def test_stats_ex_lists_every_service_of_an_agent_that_has_logged_off() -> None:
    """A filter on the service for which no time was counted finds the agent, too."""
    floor = day_of(agent("LOGON", 0, services=[10, 20]), agent("READY", 0), agent("LOGOFF", 60))
    for filtered, shown in (((), {10: (60, 0), 20: (0, 0)}), ((20,), {20: (0, 0)})):
        (row,) = agent_statistics_ex(scopes(floor, *filtered), moment_at(100)).all()
        assert services(row) == shown


def test_an_agent_without_a_logon_that_skips_a_preview_is_ready() -> None:
    """A source may connect during the day, so an agent who is offered a call counts as present."""
    floor = day_of(agent("PREVIEW_DIAL_OFFERED", 0, service=10), agent("PREVIEW_DIAL_SKIPPED", 20))
    (row,) = agent_statistics(scopes(floor, 10), moment_at(50)).all()
    assert row.ready_duration == 30


def test_calls_count_for_the_service_that_offered_them() -> None:
    """A call counts for its own service, but the time counts for the agent's login service."""
    floor = day_of(
        agent("READY", 0, service=20),
        call("call.start", 1, service=10, direction="INBOUND"),
        call("call.queue", 1),
        agent("IN_CALL", 11, call={"transactionId": 1, "sessionId": "S1"}),
    )
    row = only(agent_statistics_ex(scopes(floor), moment_at(31)).all())
    assert services(row) == {10: (0, 1), 20: (11, 0)}
    assert [one.talk_duration for one in row.services] == [0, 20]
    both = only(agent_statistics(scopes(floor), moment_at(31)).all())
    assert (both.inbound_calls, both.talk_duration) == (1, 20)
    assert only(agent_statistics(scopes(floor, 20), moment_at(31)).all()).inbound_calls == 0


def test_a_call_counts_for_both_of_its_agents() -> None:
    """If a call returns to a service, both agents that answered it have it in their counts."""
    floor = day_of(
        call("call.start", 0, service=10, direction="INBOUND"),
        *(agent("READY", 0, who, service=10) for who in ("ANN", "BOB")),
        call("call.queue", 1),
        call("call.answer", 2, agent="ANN"),
        call("call.queue", 12, service=20),
        call("call.queue", 22, service=10),
        call("call.answer", 23, agent="BOB"),
    )
    rows = agent_statistics(scopes(floor), moment_at(30)).all()
    assert [row.inbound_calls for row in rows] == [1, 1]


def test_an_agent_without_a_service_is_visible_to_users_without_limits() -> None:
    """The row of an unknown service has no id, and no filter selects it."""
    floor = day_of(agent("READY", 0), agent("READY", 0, "BOB", service=10))
    rows = agent_statistics_ex(scopes(floor), moment_at(5)).all()
    assert [services(row) for row in rows] == [{None: (5, 0)}, {10: (5, 0)}]
    assert len(agent_statistics(scopes(floor, 10), moment_at(5)).all()) == 1


def test_an_agent_without_a_name_is_shown_by_its_login() -> None:
    """The login replaces a missing name, because a row without a name would be useless."""
    floor = day_of(agent("READY", 0, service=10))
    assert only(agent_statistics(scopes(floor), moment_at(1)).all()).agent_name == "ANN"


@given(ANY_EVENTS)
def test_statistics_ex_summed_over_services_is_statistics(events: list[InboundEvent]) -> None:
    """For each logged-in agent, every shown figure is the sum of the figures by service."""
    floor = day_of(*events)
    now = moment_at(431.7)
    ex: dict[str, Counter[str]] = {}
    for row in agent_statistics_ex(scopes(floor), now).all():
        sums: Counter[str] = Counter()
        for one in as_json(row)["services"]:
            del one["id"], one["callCenterId"]
            sums.update(one)
        ex[row.agent_name] = sums
    for stats in agent_statistics(scopes(floor), now).all():
        shown = as_json(stats)
        name = shown.pop("agentName")
        del shown["agentStatus"], shown["stateChangedTime"]
        assert shown == {figure: ex[name][figure] for figure in shown}


@given(ANY_EVENTS)
def test_the_six_reasons_sum_to_the_total(events: list[InboundEvent]) -> None:
    """The shown reasons add up to the shown total for each service and for all services."""
    floor = day_of(*events)
    rows = [as_json(row) for row in agent_statistics(scopes(floor), moment_at(300.3)).all()]
    rows += [
        one
        for row in agent_statistics_ex(scopes(floor), moment_at(300.3)).all()
        for one in as_json(row)["services"]
    ]
    for row in rows:
        reasons = sum(row[f"notReady{reason}Duration"] for reason in REASONS)
        assert row["totalNotReadyDuration"] == reasons


@given(ANY_EVENTS)
@example([agent("PREVIEW_DIAL_OFFERED", 0), agent("PREVIEW_DIAL_SKIPPED", 1), agent("READY", 2)])
def test_an_agent_s_durations_sum_to_its_logged_in_time(events: list[InboundEvent]) -> None:
    """From each event that leaves an agent logged in, every ms until the next event is counted."""
    floor = day_of(*events)
    logged_in: Counter[int] = Counter()
    last: dict[int, tuple[float, bool]] = {}
    for event in sorted(events, key=lambda one: str(one.time)):
        if not isinstance(event, AgentState) or event.time is None:
            continue
        who = floor.state.directory.agent(event.data.agent)
        at = event.time.timestamp() * 1000
        before, was_in = last.get(who, (at, False))
        if at >= before:
            logged_in[who] += int(at - before) if was_in else 0
            last[who] = (at, event.data.event_type != "LOGOFF")
    for who in last:
        days = floor.state.counters.agent_days.values()
        counters = [agents[who] for day in days for agents in day.values() if who in agents]
        assert sum(sum(counter.time) for counter in counters) == logged_in[who]
        assert sum(sum(counter.reasons) for counter in counters) == sum(
            counter.time[3] for counter in counters
        )


@given(ANY_EVENTS, st.integers(0, 40))
def test_a_restart_at_any_position_gives_the_same_answers(
    events: list[InboundEvent], cut: int
) -> None:
    """Folding from a snapshot gives the same rows in the same order as folding all events."""
    whole = day_of(*events)
    first = day_of(*events[:cut])
    again = Floor(from_snapshot(list(snapshot_parts(first.snapshot_state()))))
    fold_all(again, events[cut:], begin=2 + len(events[:cut]))
    for method in (agent_statistics, agent_statistics_ex):
        one, other = (method(scopes(floor), moment_at(500)).all() for floor in (whole, again))
        assert msgspec.json.encode(one) == msgspec.json.encode(other)
