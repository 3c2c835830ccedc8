"""Tests that the pass over calls finds each call's result and agents."""

from __future__ import annotations

import pytest

from floorcast.statistics.visibility import Moment
from floorcast.verify.verification import verify
from tests.verify.recomputing import (
    NOON,
    NOW,
    SITE,
    Event,
    Site,
    agent_of,
    call,
    in_call,
    log_entries,
    rows_of_events,
    rows_of_log,
    service_of,
    state,
)


def queued(number: int = 1, service: int = 10, direction: str = "INBOUND") -> list[Event]:
    return [
        call("start", 0, number, service=service, direction=direction),
        call("queue", 0, number),
    ]


def counted(events: list[Event], plan: Site = SITE) -> tuple[int, int, int]:
    row = service_of(rows_of_events(events, NOW, plan), 10)
    return row["totalOffered"], row["totalHandled"], row["totalAbandoned"]


def exits_count(plan: Site = SITE) -> Site:
    first, *others = plan["services"]
    return {**plan, "services": [{**first, "count_exits_as": "abandoned"}, *others]}


def test_a_call_that_leaves_the_queue_counts_as_moved_on() -> None:
    """The call is abandoned if it ends within a second or if the service counts exits so."""
    left = [*queued(), call("leave", 30, reason="TIMEOUT")]
    assert counted(left) == (1, 0, 0)
    assert counted(left, exits_count()) == (1, 0, 1)
    assert counted([*left, call("end", 31)]) == (1, 0, 1)
    assert counted([*left, call("end", 31.001)]) == (1, 0, 0)
    moved = [*queued(), call("queue", 30, service=20), call("end", 30.5)]
    assert counted(moved) == (1, 0, 0)
    assert counted(moved, exits_count()) == (1, 0, 0)
    assert rows_of_events(left, NOW)["service/calls/status"] == []


def test_talk_time_ends_when_a_call_leaves_its_agent() -> None:
    """A call that has left its agent is not with an agent, although it continues."""
    events = [*queued(), state("IN_CALL", 10, service=10, **in_call(1))]
    left = [*events, call("leave", 70, reason="TRANSFER")]
    row = service_of(rows_of_events(left, NOW), 10)
    assert (row["averageTalkDuration"], row["callsWithAgent"]) == (60, 0)
    assert service_of(rows_of_events(events, NOW), 10)["callsWithAgent"] == 1


@pytest.mark.parametrize("direction", ["OUTBOUND", "MANUAL"])
def test_an_outbound_call_without_a_queue_counts_in_no_wait(direction: str) -> None:
    """Such a call counts as offered, handled and talked, but not in the service level and rates."""
    own = [
        call("start", 0, 2, service=10, direction=direction),
        call("answer", 5, 2, agent="ANN"),
        call("end", 65, 2),
    ]
    lost = [*queued(), call("end", 50)]
    row = service_of(rows_of_events([*own, *lost], NOW), 10)
    assert (row["totalOffered"], row["totalHandled"], row["totalAbandoned"]) == (2, 1, 1)
    assert (row["abandonRate"], row["serviceLevel"]) == (100, 0)
    assert row["totalCallsAnsweredWithinSLA"] == row["averageSpeedOfAnswer"] == 0
    assert row["averageTalkDuration"] == 60
    waited = [*queued(3, direction=direction), call("answer", 5, 3)]
    row = service_of(rows_of_events([*own, *waited], NOW), 10)
    assert (row["totalHandled"], row["averageSpeedOfAnswer"], row["serviceLevel"]) == (2, 5, 100)


def test_the_second_agent_of_a_conference_has_answered_too() -> None:
    """Both agents' figures include the call, and the service has one call with both wrap-ups."""
    events = [
        *queued(),
        state("IN_CALL", 10, service=10, **in_call(1)),
        state("IN_CALL", 40, "BOB", service=20, **in_call(1)),
        call("end", 70),
        state("WRAP_UP", 70),
        state("WRAP_UP", 70, "BOB"),
        state("READY", 80),
        state("READY", 90, "BOB"),
    ]
    rows = rows_of_events(events, NOW)
    assert [agent_of(rows, one)["inboundCalls"] for one in ("Ann", "BOB")] == [1, 1]
    row = service_of(rows, 10)
    assert (row["totalHandled"], row["averageWrapupDuration"]) == (1, 30)


def test_an_agent_in_another_call_has_left_the_one_before() -> None:
    """A call whose only agent has left is not with an agent, but with another agent it is."""
    events = [
        *queued(1),
        *queued(2),
        state("IN_CALL", 10, service=10, **in_call(1)),
        state("IN_CALL", 20, service=10, **in_call(2)),
    ]
    assert service_of(rows_of_events(events, NOW), 10)["callsWithAgent"] == 1
    other = state("IN_CALL", 15, "BOB", service=10, **in_call(1))
    assert service_of(rows_of_events([*events, other], NOW), 10)["callsWithAgent"] == 2
    back = state("IN_CALL", 30, service=10, **in_call(1))
    assert service_of(rows_of_events([*events, back], NOW), 10)["callsWithAgent"] == 1


def test_a_disposition_without_an_agent_belongs_to_the_one_who_had_the_call() -> None:
    """The agent at the disposition's time counts, and late events can change who that is."""
    events = [
        *queued(),
        state("IN_CALL", 10, service=10, **in_call(1)),
        call("disposition", 60, termCode="RPC"),
        state("READY", 70, "BOB", service=10),
        state("READY", 70, service=10),
    ]
    rows = rows_of_events(events, NOW)
    assert [agent_of(rows, one)["rpcComplete"] for one in ("Ann", "BOB")] == [1, 0]
    joined = state("IN_CALL", 40, "BOB", service=10, **in_call(1))
    rows = rows_of_events([*events, joined], NOW)
    assert [agent_of(rows, one)["rpcComplete"] for one in ("Ann", "BOB")] == [0, 1]
    gone = state("IN_CALL", 50, "BOB", service=10, **in_call(2))
    rows = rows_of_events([*events, joined, gone], NOW)
    assert [agent_of(rows, one)["rpcComplete"] for one in ("Ann", "BOB")] == [1, 0]


@pytest.mark.parametrize("end_first", [True, False])
def test_an_agent_can_leave_a_call_in_the_millisecond_in_which_it_ends(end_first: bool) -> None:
    """The term code is then the other agent's, and the fold agrees in either order of arrival."""
    last = [call("end", 30), state("IN_CALL", 30, "BOB", service=10, **in_call(2))]
    events = [
        *queued(),
        state("IN_CALL", 10, service=10, **in_call(1)),
        state("IN_CALL", 20, "BOB", service=10, **in_call(1)),
        *(last if end_first else reversed(last)),
        call("disposition", 40, termCode="RPC"),
    ]
    rows = rows_of_events(events, NOW)
    assert [agent_of(rows, one)["rpcComplete"] for one in ("Ann", "BOB")] == [1, 0]
    entries = log_entries((one.at, one) for one in events)
    assert verify(1, entries, Moment(NOW)).differences == []


def test_a_call_that_returns_is_handled_once_with_its_first_talk_time() -> None:
    """A call that returns is handled once, with its first talk and wrap-up."""
    events = [
        *queued(),
        state("IN_CALL", 10, service=10, **in_call(1)),
        call("queue", 40, service=10),
        state("WRAP_UP", 40),
        state("READY", 45),
        state("IN_CALL", 50, **in_call(1)),
        call("end", 100),
        state("WRAP_UP", 100),
        state("READY", 120),
    ]
    row = service_of(rows_of_events(events, NOW), 10)
    assert (row["totalOffered"], row["totalHandled"]) == (1, 1)
    figures = ("averageTalkDuration", "averageWrapupDuration", "averageHandleDuration")
    assert [row[one] for one in figures] == [30, 5, 35]


def test_a_member_comes_from_the_latest_event_by_its_own_time() -> None:
    """A late ``call.start`` does not replace a later event's data, but a later update does."""
    start = call("start", 0, service=10, direction="INBOUND", priority=1, callerId="650")
    queue = call("queue", 5, priority=7)
    for events in ([start, queue], [queue, start]):
        (row,) = rows_of_events(events, NOW)["service/calls/status"]
        assert (row["priority"], row["phone"]) == ("7", "650")
    update = call("update", 6, callerId="651", service=20, consumer={"firstName": "Will"})
    (row,) = rows_of_events([queue, update, start], NOW)["service/calls/status"]
    assert (row["phone"], row["name"], row["serviceId"]) == ("651", "Will", "20")


def test_an_answer_takes_the_service_that_the_state_names() -> None:
    """If ``call.answer`` names no service, the service that IN_CALL names is used."""
    events = [call("answer", 5, agent="ANN"), state("IN_CALL", 6, **in_call(1, service=10))]
    assert service_of(rows_of_events(events, NOW), 10)["totalHandled"] == 1


def test_a_state_that_names_a_call_keeps_the_call_from_going_quiet() -> None:
    """A state that names a call, such as a hold, keeps the call from going quiet."""
    events = queued()
    assert rows_of_events(events, NOW, quiet_call=1_000_000)["service/calls/status"] == []
    hold = state("AGENT_HOLD", 3000, service=10, **in_call(1))
    assert (
        len(rows_of_events([*events, hold], NOW, quiet_call=1_000_000)["service/calls/status"]) == 1
    )


def test_an_in_call_whose_clock_is_ahead_leaves_the_call_before_it() -> None:
    """It counts from its arrival, like every state from the future."""
    events = [
        (NOON, call("start", 0, service=10, direction="INBOUND")),
        (NOON, call("answer", 0, agent="ANN")),
        (NOON + 5_000, state("IN_CALL", 200, **in_call(2))),
    ]
    entries = log_entries(events)
    assert verify(1, entries, Moment(NOON + 60_000)).differences == []
    rows = rows_of_log(entries, NOON + 60_000)
    assert service_of(rows, 10)["callsWithAgent"] == 0
