"""Tests that the pass over agents sorts states by their own times, and assigns wrap-ups."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import permutations

import pytest

from floorcast.statistics.visibility import Moment
from floorcast.verify.verification import StoredEntry, verify
from tests.verify.recomputing import (
    NOON,
    NOW,
    SITE,
    Event,
    Rows,
    agent_of,
    call,
    in_call,
    log_entries,
    rows_of_events,
    rows_of_log,
    service_of,
    state,
)

Times = tuple[int, int]  # seconds in Ready, and in talk


def a_wrap_up_and_the_next_call() -> list[Event]:
    """Return the events of ANN, who wraps up Sales call 1 for 30 s and then has Support call 2."""
    return [
        state("READY", 0, service=10),
        call("start", 1, 1, service=10, direction="INBOUND"),
        call("queue", 1, 1),
        state("IN_CALL", 5, **in_call(1)),
        call("end", 65, 1),
        state("WRAP_UP", 65, **in_call(1)),
        call("start", 70, 2, service=20, direction="INBOUND"),
        call("queue", 70, 2),
        call("answer", 90, 2, agent="ANN"),
        state("IN_CALL", 95, **in_call(2)),
        call("end", 120, 2),
        state("READY", 120),
    ]


def wrapped(rows: Rows) -> tuple[int, int]:
    return (
        service_of(rows, 10)["averageWrapupDuration"],
        service_of(rows, 20)["averageWrapupDuration"],
    )


def test_a_wrap_up_belongs_to_the_call_before_it() -> None:
    """A wrap-up belongs to the previous call even if its end arrives after the next answer."""
    events = a_wrap_up_and_the_next_call()
    assert wrapped(rows_of_events(events, NOW)) == (30, 0)
    unnamed = [*events[:5], state("WRAP_UP", 65), *events[6:]]
    assert wrapped(rows_of_events(unnamed, NOW)) == (30, 0)
    assert service_of(rows_of_events(unnamed, NOW), 10)["averageHandleDuration"] == 90


def test_a_wrap_up_belongs_to_the_call_that_it_names() -> None:
    """A wrap-up can name a call that was answered before the agent's last call."""
    events = a_wrap_up_and_the_next_call()[:-1]
    again = [state("WRAP_UP", 130, **in_call(1)), state("READY", 150)]
    assert wrapped(rows_of_events([*events, *again], NOW)) == (50, 0)


def test_a_delayed_source_gives_the_same_figures() -> None:
    """Either source may be delayed by up to a quarter of an hour."""
    events = a_wrap_up_and_the_next_call()
    expected = rows_of_events(events, NOW)
    states = [one for one in events if b"agent.state" in one.line]
    calls = [one for one in events if one not in states]
    assert rows_of_events([*states, *calls], NOW) == expected
    assert wrapped(rows_of_events([*calls, *states], NOW)) == (30, 0)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_states_are_ordered_by_their_own_times(order: tuple[int, ...]) -> None:
    """The order of arrival changes neither the times nor the service."""
    events = [
        state("LOGON", 0, service=10),
        state("READY", 60),
        state("NOT_READY", 300, reason="LUNCH"),
        state("READY", 600),
    ]
    rows = rows_of_events([events[index] for index in order], NOON + 700_000)
    row = agent_of(rows, "Ann")
    assert (row["readyDuration"], row["notReadyLunchDuration"]) == (240 + 100, 300)
    assert rows["service/agents/status"][0]["serviceId"] == 10


def test_a_state_that_is_too_late_changes_no_figure() -> None:
    """A state is ignored if it is over a quarter of an hour older than the newest one."""
    events = [
        state("READY", 0, service=10),
        call("queue", 10, 1, service=10),
        state("READY", 2000),
        state("IN_CALL", 1099, **in_call(1)),
    ]
    rows = rows_of_events(events, NOW)
    assert agent_of(rows, "Ann")["talkDuration"] == 0
    assert service_of(rows, 10)["totalHandled"] == 0
    rows = rows_of_events([*events, state("IN_CALL", 1100, **in_call(1))], NOW)
    assert agent_of(rows, "Ann")["talkDuration"] == 900
    assert service_of(rows, 10)["totalHandled"] == 1


def test_a_logon_that_is_too_late_still_gives_the_service() -> None:
    """A late LOGON sets the service only if no later event has named one."""
    late = state("LOGON", 0, service=20)
    rows = rows_of_events([state("READY", 1000), late], NOW)
    assert rows["service/agents/status"][0]["serviceId"] == 20
    assert agent_of(rows, "Ann")["readyDuration"] == 2600
    rows = rows_of_events([state("READY", 1000, service=10), late], NOW)
    assert rows["service/agents/status"][0]["serviceId"] == 10
    before = state("LOGOFF", -100, service=10)
    rows = rows_of_events([before, state("READY", 1000), late], NOW)
    assert rows["service/agents/status"][0]["serviceId"] == 20


def times_of_ann(arrivals: Sequence[tuple[float, Event]], now: float) -> dict[int | None, Times]:
    """Return ANN's time in Ready and in talk by service, on which the fold must agree.

    Each event arrives at the given second. ``now`` is the second of the answer.
    """
    entries = log_entries((NOON + round(when * 1000), one) for when, one in arrivals)
    moment = Moment(NOON + round(now * 1000))
    assert verify(1, entries, moment).differences == []
    (row,) = rows_of_log(entries, moment.now)["service/agent/stats/ex"]
    figures = {one["id"]: (one["readyDuration"], one["talkDuration"]) for one in row["services"]}
    return {service: times for service, times in figures.items() if any(times)}


def test_a_late_logon_moves_no_time_that_is_older_than_a_late_state_may_be() -> None:
    """Its service counts for the last quarter of an hour, and not for the time before."""
    late = (2400, state("LOGON", -10, service=20))
    assert times_of_ann([(0, state("READY", 0)), late], 2500) == {None: (1500, 0), 20: (1000, 0)}
    after = (2410, state("NOT_READY", 2410))
    expected = {None: (1500, 0), 20: (910, 0)}
    assert times_of_ann([(0, state("READY", 0)), late, after], 2500) == expected


def test_a_state_in_order_ends_the_one_before_although_a_late_logon_came_first() -> None:
    """A delayed source's next state ends the state before it when it began, not when it came."""
    arrivals = [
        (0, state("READY", 0)),
        (2400, state("LOGON", -10, service=20)),
        (2401, state("NOT_READY", 600)),
        (2402, state("READY", 2402)),
    ]
    assert times_of_ann(arrivals, 2412) == {None: (600, 0), 20: (10, 0)}


def test_a_logon_after_a_long_silence_undoes_the_time_before_a_late_logon() -> None:
    """The state that was in progress ends with its own event, whatever has been counted since."""
    later = 20 * 3600
    arrivals = [
        (0, state("READY", 0)),
        (2400, state("LOGON", -10, service=20)),
        (later, state("LOGON", later)),
        (later + 5, state("READY", later + 5, service=10)),
    ]
    assert times_of_ann(arrivals, later + 9) == {10: (4, 0)}


@pytest.mark.parametrize("late", [0, 600])
def test_an_answer_counts_for_its_service_from_its_own_time(late: int) -> None:
    """The time before ``call.answer`` stays where it was, also after a late ``call.queue``."""
    arrivals = [
        (0, state("IN_CALL", 0, services=[10, 20])),
        (2400 + late, call("answer", 2400, 1, agent="ANN")),
        (2401 + late, call("queue", 2390, 1, service=20)),
    ]
    assert times_of_ann(arrivals, 3500) == {10: (0, 2400), 20: (0, 1100)}


def test_a_delayed_state_in_order_is_on_the_service_that_had_the_call_then() -> None:
    """The source of the states was away, and meanwhile the call has moved to another service."""
    arrivals = [
        (0, state("READY", 0, services=[10, 20, 30])),
        (300, call("queue", 300, 1, service=20)),
        (600, call("queue", 600, 1, service=30)),
        (1800, state("IN_CALL", 360, **in_call(1))),
    ]
    assert times_of_ann(arrivals, 2000) == {10: (360, 0), 20: (0, 1640)}
    answered = [*arrivals[:2], (1800, call("answer", 360, 1, agent="ANN"))]
    answered.append((1801, state("IN_CALL", 361)))
    assert times_of_ann(answered, 2000) == {10: (361, 0), 20: (0, 1639)}


def test_a_second_service_counts_for_a_call_that_was_answered_long_before() -> None:
    """The agent logs in to several services during a call, whose queue event was a little late."""
    arrivals = [
        (0, state("READY", 0, service=10)),
        (10, state("IN_CALL", 10, **in_call(1))),
        (60, call("queue", 5, 1, service=20)),
        (1200, state("AGENT_HOLD", 1200, services=[10, 20])),
    ]
    assert times_of_ann(arrivals, 2500) == {10: (10, 1190), 20: (0, 1300)}


def test_a_future_state_counts_from_the_time_it_was_recorded() -> None:
    """A clock that is ahead does not add time in the future."""
    ahead = [state("READY", 0, service=10), state("NOT_READY", 299)]
    rows = rows_of_events(ahead, NOON + 299_000)
    assert agent_of(rows, "Ann")["readyDuration"] == 299
    # the same event, recorded at 10 s: none of the next 289 s counts as Ready
    entries = log_entries([(NOON, ahead[0]), (NOON + 10_000, ahead[1])])
    rows = rows_of_log(entries, NOON + 40_000)
    row = agent_of(rows, "Ann")
    assert (row["readyDuration"], row["notReadyOtherDuration"]) == (10, 30)


def test_a_long_silence_before_a_logon_does_not_count() -> None:
    """The time before a LOGON counts only if the silence before it was short enough."""
    events = [state("READY", 0, service=10), state("READY", 60), state("LOGON", 3000)]
    rows = rows_of_events(events, NOW, quiet_agent=1_000_000)
    assert agent_of(rows, "Ann")["readyDuration"] == 60
    assert agent_of(rows_of_events(events, NOW), "Ann")["readyDuration"] == 3000


def test_a_custom_reason_counts_as_the_site_declares() -> None:
    """Reasons without a mapping count as Other. The status shows the reason as it was sent."""
    plan = {**SITE, "not_ready_reasons": [{"reason": "Coffee", "counts_as": "BREAK"}]}
    events = [
        state("NOT_READY", 0, service=10, reason="Coffee"),
        state("NOT_READY", 60, reason="?"),
    ]
    rows = rows_of_events(events, NOON + 100_000, plan)
    row = agent_of(rows, "Ann")
    assert (row["notReadyBreakDuration"], row["notReadyOtherDuration"]) == (60, 40)
    assert rows["service/agents/status"][0]["reasonCode"] == "?"


def test_an_agent_of_several_services_counts_its_time_at_one() -> None:
    """The time counts for the current call's service, or else for the first service."""
    events = [
        state("LOGON", 0, services=[10, 20]),
        state("READY", 0),
        call("queue", 60, 1, service=20),
        state("IN_CALL", 100, **in_call(1)),
        call("end", 160, 1),
        state("READY", 160),
    ]
    rows = rows_of_events(events, NOON + 200_000)
    assert [service_of(rows, one)["totalAgents"] for one in (10, 20)] == [1, 1]
    (agent,) = rows["service/agent/stats/ex"]
    figures = {one["id"]: (one["readyDuration"], one["talkDuration"]) for one in agent["services"]}
    assert figures == {10: (140, 0), 20: (0, 60)}


def test_an_answer_gives_the_call_of_a_state_that_names_none() -> None:
    """If IN_CALL names no call, the call that ``call.answer`` names is shown, in any order."""
    answer, entered = call("answer", 5, 1, agent="ANN"), state("IN_CALL", 5, service=10)
    start = call("start", 0, 1, service=10, direction="INBOUND", callerId="650")
    for events in ([start, answer, entered], [start, entered, answer]):
        (row,) = rows_of_events(events, NOW)["service/agents/status"]
        assert (row["transactionId"], row["phone"], row["callType"]) == (1, "650", "INBOUND")


def test_answers_and_wrap_ups_are_on_the_current_service() -> None:
    """Time counts for the current call's service. A wrap-up has no current call."""
    named = in_call(1, service=20)
    story = [
        state("LOGON", 0, services=[10, 20]),
        state("IN_CALL", 10, **named),
        state("IN_CALL", 40, **in_call(2)),
        state("WRAP_UP", 70, **named),
        state("READY", 80),
    ]
    entries = log_entries((one.at, one) for one in story)
    rows = rows_of_log(entries, NOON + 90_000)
    assert [service_of(rows, number)["totalHandled"] for number in (10, 20)] == [1, 1]
    assert verify(1, entries, Moment(NOON + 90_000)).differences == []


def test_an_agent_with_a_new_id_is_on_the_service_of_the_former_id() -> None:
    """Both computations count the time after the new id's first event for the former service."""
    moved = SITE | {"agents": [{"id": 70, "login": "ANN"}, {"id": 8, "login": "BOB"}]}
    before = log_entries([(NOON, state("READY", 0, service=20))])
    change = StoredEntry(3, NOON * 10_000 + 30_000, "site", json.dumps(moved).encode())
    states = state("NOT_READY", 60), state("READY", 90)
    after = log_entries((one.at, one) for one in states)
    log = [*before, change, *(one._replace(number=one.number + 2) for one in after[1:])]
    assert service_of(rows_of_log(log, NOW), 20)["totalAgents"] == 1
    assert verify(1, log, Moment(NOW)).differences == []
