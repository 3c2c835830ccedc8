"""Tests that agents' states are ordered by their own times, in any order of arrival."""

from __future__ import annotations

import sys
from collections import Counter
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from floorcast.floor import timeline
from floorcast.floor.agents import AgentMoment, CurrentCall, EventDetails, FloorAgent, MomentRun
from floorcast.floor.floor import LATE_MS, Floor
from floorcast.floor.intervals import Column, ServiceIntervals
from floorcast.floor.state import from_snapshot, snapshot_parts
from floorcast.floor.timeline import MAX_RUNS, RUN_MOMENTS
from floorcast.model.inbound import InboundEvent
from floorcast.model.states import State
from floorcast.site.configuration import NotReadyReason
from tests.floor.random_floors import AGENT_KINDS, PLAN, agent, call, fold_all, new_floor, ticks
from tests.search import tries
from tests.statistics.floors import fold_events

SECONDS = st.integers(0, 190)  # the log's time is later than all of these
SERVICES = st.sampled_from([10, 20])


@st.composite
def agents_events(draw: st.DrawFn) -> InboundEvent:
    """Draw an agent's event, which may name a call and one or more services."""
    data: dict[str, Any] = {}
    chosen = draw(st.integers(0, 9))
    if chosen < 3:
        data["service"] = draw(SERVICES)
    elif chosen == 3:
        data["services"] = draw(st.permutations([10, 20]))
    kind = draw(st.sampled_from((*AGENT_KINDS, "IN_CALL", "WRAP_UP", "READY")))
    if kind == "NOT_READY":
        data["reason"] = draw(st.sampled_from(["LUNCH", "VOICE_MAIL", "?"]))
    if kind in ("IN_CALL", "WRAP_UP", "AGENT_HOLD") and draw(st.integers(0, 2)):
        number = draw(st.integers(1, 3))
        data["call"] = {"transactionId": number, "sessionId": f"S{number}"}
        if draw(st.booleans()):
            data["call"]["service"] = 10 * number
    if draw(st.integers(0, 5)) == 0:
        data |= {"skill": draw(st.sampled_from("ab")), "monitored": draw(st.booleans())}
    return agent(kind, draw(SECONDS), draw(st.sampled_from([7, 8])), **data)


@st.composite
def calls_events(draw: st.DrawFn) -> InboundEvent:
    """Draw an event of one of three calls."""
    kinds = ["queue", "queue", "answer", "answer", "end", "disposition", "leave", "update"]
    kind = draw(st.sampled_from(kinds))
    data: dict[str, Any] = {}
    if kind == "leave":
        data["reason"] = "OVERFLOW"
    if kind in ("queue", "update"):
        data["service"] = draw(SERVICES)
    if kind in ("answer", "disposition") and draw(st.booleans()):
        data["agent"] = draw(st.sampled_from([7, 8]))
    if kind == "disposition":
        data["termCode"] = draw(st.sampled_from(["RPC", "WPC"]))
    return call(f"call.{kind}", draw(SECONDS), draw(st.integers(1, 3)), **data)


@st.composite
def starts(draw: st.DrawFn) -> list[InboundEvent]:
    """Draw the start events of the three calls, which set the directions."""
    directions = st.sampled_from(["INBOUND", "MANUAL"])
    return [
        call("call.start", draw(SECONDS), n, service=10, direction=draw(directions))
        for n in (1, 2, 3)
    ]


STORIES = st.lists(agents_events() | agents_events() | calls_events(), max_size=30)


def figures(floor: Floor) -> object:
    """Return everything from which figures are computed."""
    counters = msgspec.to_builtins(floor.state.counters, enc_hook=list)
    services = {
        (day, service): one
        for day, services in counters["service_days"].items()
        for service, one in services.items()
        if any(one.values())
    }
    agents = {
        (day, service, number): one
        for day, services in counters["agent_days"].items()
        for service, by_agent in services.items()
        for number, one in by_agent.items()
        if any(any(x) if isinstance(x, list) else x for x in one.values())
    }
    present = {
        one.id: (
            *(one.state, one.since, one.last_event, one.service, one.services, one.reason),
            *(one.skill, one.monitored, None if one.call is None else one.call.key),
        )
        for one in floor.state.agents.values()
        if one.last_event > 0
    }
    calls = {
        one.key: (
            [(segment.service, segment.began, segment.left) for segment in one.segments],
            one.connected,
        )
        for one in floor.call_table.calls.values()
        if one.segments
    }
    connects = {service: known for service, known in floor.state.connects.items() if known}
    intervals = {
        (day, service): (additive(one), list(one.waits))
        for day, services in floor.state.counters.intervals.items()
        for service, one in services.items()
        if any(additive(one).values())
    }
    return services, agents, present, calls, connects, intervals


def additive(intervals: ServiceIntervals) -> dict[int, list[int]]:
    """Return the counts of each slot except the maxima, which depend on the order of arrival."""
    rows = {slot: list(intervals.row(slot)) for slot in range(300)}
    for row in rows.values():
        row[Column.AGENTS_MOST : Column.QUEUE_LAST + 1] = []
    return {slot: row for slot, row in rows.items() if any(row)}


@settings(max_examples=tries(150))
@given(STORIES, starts(), st.randoms(use_true_random=False))
def test_late_and_repeated_events_give_the_same_figures(
    story: list[InboundEvent], begun: list[InboundEvent], random: Random
) -> None:
    """Late and repeated events within the window give the same figures as events in order."""
    by_time = {one.time: one for one in [*begun, *story]}
    in_order = [by_time[time] for time in sorted(by_time, key=str)]
    mixed = in_order + random.sample(in_order, len(in_order) // 3)
    random.shuffle(mixed)
    straight, other = new_floor(), new_floor()
    fold_all(straight, in_order)
    fold_all(other, mixed)
    assert figures(other) == figures(straight)


def test_a_late_answer_moves_the_agents_time_to_its_service() -> None:
    """The agent's time moves to the call's service, as if the answer had arrived in time."""
    held = agent("AGENT_HOLD", 68, service=20, call={"transactionId": 1, "sessionId": "S1"})
    in_order = [
        call("call.start", 1, service=10, direction="INBOUND"),
        call("call.answer", 2, agent="ANN"),
        agent("READY", 3, services=[20, 10]),
        held,
        agent("READY", 80),
    ]
    straight, late = new_floor(), new_floor()
    fold_all(straight, in_order)
    fold_all(late, [in_order[0], *in_order[2:], in_order[1]])
    assert figures(late) == figures(straight)


def test_time_in_a_call_moves_to_the_service_named_later() -> None:
    """The time that an agent spent in a call moves to the service that a later event names."""
    floor = new_floor()
    fold_all(
        floor,
        [
            agent("READY", 0, services=[10, 20]),
            call("call.answer", 10, 1, agent=7),
            agent("IN_CALL", 10.5, call={"transactionId": 1, "sessionId": "S1"}),
            agent("AGENT_HOLD", 20),
            call("call.update", 30, 1, service=20),
            agent("READY", 40),
        ],
    )
    (day,) = floor.state.counters.agent_days.values()
    spent = {service: agents[7].time for service, agents in day.items() if 7 in agents}
    assert (spent[10][State.READY], sum(spent[10])) == (10_500, 10_500)
    assert (spent[20][State.IN_CALL], spent[20][State.HOLD], sum(spent[20])) == (
        9_500,
        20_000,
        29_500,
    )


@pytest.mark.parametrize("in_call", [False, True])
def test_a_late_answer_is_left_only_for_an_in_call(in_call: bool) -> None:
    """An agent that answers two calls is on both, unless it was then In Call with one of them."""
    floor = new_floor()
    last = agent("IN_CALL", 3505, call={"transactionId": 2, "sessionId": "S2"})
    fold_all(
        floor,
        [
            call("call.answer", 3500, 2, agent="ANN"),
            *([last] if in_call else []),
            call("call.answer", 10, 1, agent="ANN"),
            call("call.start", 3510, 1, service=10, direction="INBOUND"),
        ],
    )
    assert floor.call_table.calls[1, "S1"].connected is not in_call


@pytest.mark.parametrize("late", [[], [agent("READY", 3510), agent("NOT_READY", 3505)]])
@pytest.mark.parametrize("last", [3520, 3503])
def test_a_call_that_was_answered_too_late_to_count_is_left_for_the_next_one(
    late: list[InboundEvent], last: float
) -> None:
    """An agent's next IN_CALL leaves the call, although it is late or follows a late state."""
    ready, answer = agent("READY", 3500, service=10), call("call.answer", 10, 1, agent="ANN")
    next_call = agent("IN_CALL", last, call={"transactionId": 2, "sessionId": "S2"})
    before = fold_events(PLAN, [ready, answer, *late])
    after = fold_events(PLAN, [ready, answer, *late, next_call])
    assert before.call_table.calls[1, "S1"].connected
    calls = after.call_table.calls
    assert (calls[1, "S1"].connected, calls[2, "S2"].connected) == (False, True)


def test_an_answer_brings_an_agent_back_to_a_call_that_it_left() -> None:
    """A ``call.answer`` brings an agent back to a call that it had left for another one."""
    floor = new_floor()
    fold_all(
        floor,
        [
            call("call.answer", 0, 1, agent=7),
            agent("IN_CALL", 10, call={"transactionId": 2, "sessionId": "S2", "service": 20}),
            call("call.answer", 20, 1, agent=7),
        ],
    )
    assert floor.call_table.calls[1, "S1"].connected


def test_a_reason_counts_as_configured() -> None:
    """A client's own reason is published unchanged and counts in the figure that it maps to."""
    coffee = NotReadyReason(reason="Coffee", counts_as="BREAK")
    floor = new_floor(replace(PLAN, not_ready_reasons=(coffee,)))
    fed = fold_all(floor, [agent("NOT_READY", 0, service=10, reason="Coffee"), agent("READY", 60)])
    assert fed[0].event.not_ready_reason_code == "Coffee"
    (day,) = floor.state.counters.agent_days.values()
    assert day[10][7].reasons == [0, 0, 60_000, 0, 0, 0]


def test_a_state_that_is_too_late_changes_no_figure() -> None:
    """A state that arrives too late is published and counted in a metric.

    A late LOGON still sets a service that no other event has set.
    """
    floor = new_floor()
    fold_all(floor, [agent("READY", 100)])
    before = figures(floor)
    for number, late in enumerate((agent("NOT_READY", 50), agent("LOGON", 40, service=20)), 9):
        floor.begin_entry(number, ticks(1100))
        assert floor.fold(late, ticks(1100), "-") is not None
        assert floor.too_late == number - 8
        if number == 9:
            assert figures(floor) == before
    assert floor.state.agents[7].service == 20


def test_a_late_logon_counts_if_a_service_was_named_in_its_own_millisecond() -> None:
    """No later event has named a service then."""
    floor = new_floor()
    story = [agent("READY", 40, service=10), agent("NOT_READY", 1000)]
    for number, one in enumerate([*story, agent("LOGON", 40, service=20)], 2):
        floor.begin_entry(number, ticks(1200))
        floor.fold(one, ticks(1200), "-")
    assert floor.state.agents[7].service == 20


def test_a_late_logon_of_an_agent_who_has_logged_off_counts_no_time() -> None:
    """It still sets the service that the agent was last logged in to."""
    floor = new_floor()
    for number, one in enumerate([agent("LOGOFF", 100), agent("LOGON", 40, service=20)], 2):
        floor.begin_entry(number, ticks(1100))
        floor.fold(one, ticks(1100), "-")
    assert floor.state.agents[7].service == 20
    assert not floor.state.counters.agent_days


@pytest.mark.parametrize(("late", "counts"), [(900, True), (900.001, False)])
def test_a_state_may_be_exactly_a_quarter_of_an_hour_late(late: float, counts: bool) -> None:
    """A state that arrives a millisecond later than that changes no figure."""
    floor = new_floor()
    for number, one in enumerate([agent("READY", 0), agent("READY", 900)], 2):
        floor.begin_entry(number, ticks(900))
        floor.fold(one, ticks(900), "-")
    floor.begin_entry(9, ticks(100 + late))
    floor.fold(agent("NOT_READY", 100, service=10), ticks(100 + late), "-")
    assert (floor.state.agents[7].service == 10) is counts


@pytest.mark.parametrize(("silence", "spent"), [(57_600, 57_600_000), (57_600.001, 0)])
def test_a_logon_after_exactly_the_quiet_hours_closes_nothing(silence: float, spent: int) -> None:
    """Only a longer silence ends the state with its own event."""
    floor = new_floor()
    for number, one in enumerate([agent("READY", -50_000, service=10)], 2):
        floor.begin_entry(number, ticks(-50_000))
        floor.fold(one, ticks(-50_000), "-")
    at = -50_000 + silence
    floor.begin_entry(3, ticks(at))
    floor.fold(agent("LOGON", at), ticks(at), "-")
    days = floor.state.counters.agent_days.values()
    assert sum(day[10][7].time[State.READY] for day in days if 10 in day) == spent


def test_a_late_logon_applies_from_its_arrival() -> None:
    """The service of a late LOGON applies from its arrival, whatever is inserted before it."""
    floor = new_floor()
    story = [agent("READY", 100), agent("NOT_READY", 1100), agent("LOGON", 40, service=20)]
    for number, one in enumerate([*story, agent("NOT_READY", 1050), agent("READY", 1160)], 2):
        floor.begin_entry(number, ticks(1200))
        floor.fold(one, ticks(1200), "-")
    assert floor.state.agents[7].service == 20
    (day,) = floor.state.counters.agent_days.values()
    assert day[20][7].time[State.NOT_READY] == 60_000
    assert day[-1][7].time[State.NOT_READY] == 50_000


def test_the_cost_of_a_late_state_depends_only_on_later_moments() -> None:
    """A state that is seconds late takes the same work if ten times as many moments are kept."""

    def cost(kept: int) -> int:
        floor = new_floor()
        story = [agent(("READY", "NOT_READY")[n % 2], n / 2, service=10) for n in range(kept)]
        for number, one in enumerate(story, 2):
            floor.begin_entry(number, ticks(kept / 2))
            floor.fold(one, ticks(kept / 2), "-")
        called = Counter[str]()
        late = agent("IN_CALL", kept / 2 - 1.25)
        sys.setprofile(lambda _frame, event, _argument: called.update([event]))
        try:
            floor.fold(late, ticks(kept / 2), "-")
        finally:
            sys.setprofile(None)
        return called["call"]

    assert cost(212) < 1.2 * cost(20)


def test_a_late_event_may_change_every_call_of_the_moments_that_are_kept() -> None:
    """The calls of older moments count, too, as the agent was in them before the oldest one."""
    of_moment = EventDetails(call=CurrentCall(6, "s"))
    moments = [
        AgentMoment(5, "READY"),
        AgentMoment(6, "WRAP_UP", None, EventDetails(call=CurrentCall(9))),
        AgentMoment(7, "IN_CALL", None, of_moment),
    ]
    before = FloorAgent(7, current_calls=((1, "s"), (2, "s")), answered=(3, "s"))
    agent = FloorAgent(7, current_calls=((4, "s"),), wrap_up_call=(5, "s"))
    agent.past = [MomentRun(before, moments)]
    timeline = new_floor()._agents._timeline  # noqa: SLF001 - no answer names the calls
    assert sorted(timeline.calls_of(agent)) == [(number, "s") for number in range(1, 7)]


@pytest.mark.parametrize("pace", [1, 60, 1000])
def test_moments_are_kept_for_the_window_and_no_longer(pace: int) -> None:
    """A late event has its place among the last quarter of an hour, or the last 250 events."""
    floor = new_floor()
    for number in range(400):
        at = number * pace
        floor.begin_entry(number + 2, ticks(at))
        floor.fold(agent(("READY", "NOT_READY")[number % 2], at, service=10), ticks(at), "-")
    past = floor.state.agents[7].past
    oldest = past[0].before.applied_until // 1000 - ticks(0) // 10_000_000
    in_window = 900 // pace
    kept = sum(len(run.moments) for run in past)
    assert min(in_window, (MAX_RUNS - 1) * RUN_MOMENTS) <= kept
    assert kept <= min(in_window + 2 * RUN_MOMENTS, MAX_RUNS * RUN_MOMENTS)
    assert oldest == 399 * pace - kept * pace


@settings(max_examples=tries(20), deadline=None)
@given(st.data())
def test_the_moments_of_all_agents_have_a_limit(data: st.DataObject) -> None:
    """Beyond it, an agent keeps its newest ones, in any order of arrival and after a restart."""
    agents = [str(number) for number in range(6)]
    at = data.draw(st.lists(st.integers(0, 190), min_size=200, max_size=200))
    who = data.draw(st.lists(st.sampled_from(agents), min_size=200, max_size=200))
    kinds = ("READY", "NOT_READY", "LOGON")
    events = [agent(kinds[one % 3], one, name) for one, name in zip(at, who, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeline, "MAX_ALL_RUNS", 10)
        floor, other = new_floor(), new_floor()
        fold_all(floor, events)
        fold_all(other, events[:120])
        parts = list(snapshot_parts(other.snapshot_state()))
        other = Floor(from_snapshot(parts))
        fold_all(other, events[120:], begin=122)
        assert other.state.agents == floor.state.agents
        kept = [one.past for one in floor.state.agents.values()]
        assert sum(len(past) - 1 for past in kept) == floor.agent_sizes.runs <= 11 + len(kept)


def test_too_many_moments_leave_once_they_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents that have been quiet keep theirs only if all agents have few."""
    floor = new_floor()
    fold_all(floor, [agent("READY", at, who) for who in (7, 8) for at in range(40)])
    quiet = LATE_MS / 1000 + 60
    floor.begin_entry(900, ticks(quiet))
    assert floor.agent_sizes.runs == 8
    monkeypatch.setattr(timeline, "MAX_ALL_RUNS", 7)
    floor.begin_entry(901, ticks(quiet + 60))
    assert [one.past for one in floor.state.agents.values()] == [[], []]
    assert floor.agent_sizes.runs == 0


def test_long_lists_of_services_count_as_more_moments() -> None:
    """They can take far more memory than the moments themselves."""
    floor = new_floor()
    many = [*range(100, 1000)]
    fold_all(floor, [agent("LOGON", at, 7, services=many[at:]) for at in range(RUN_MOMENTS + 1)])
    assert floor.agent_sizes.runs > RUN_MOMENTS * 10


@pytest.mark.parametrize("between", [0, 1, 14])
def test_a_late_first_answer_shows_that_the_agent_came_back(between: int) -> None:
    """Only the late event says that the agent had the call before the other one.

    The agent's own state is the same again before the agent returns.
    """
    first, other = ({"transactionId": number, "sessionId": f"S{number}"} for number in (1, 2))
    late = agent("IN_CALL", 1, services=[10], call=first)
    in_time = [agent("LOGON", 2 + number, services=[10]) for number in range(between)]
    in_time += [
        agent("IN_CALL", 20, service=10, call=other),
        agent("LOGON", 21, services=[10]),
        agent("IN_CALL", 22, services=[10], call=first),
    ]
    departures = []
    for events in ([late, *in_time], [*in_time, late]):
        floor = new_floor()
        fold_all(floor, events)
        departures.append([one[2] for one in floor.call_table.calls[1, "S1"].departures])
    assert departures == [[False, True]] * 2
