"""Tests that agent status shows current states and recent changes, and agrees with the feed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.floor.agent_fold import MAX_LAG_MS, FoldTimes
from floorcast.floor.floor import Floor
from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import CallCenter, FloorConfig, Service
from floorcast.statistics.agent_stats import agent_statistics, agent_statistics_ex
from floorcast.statistics.agent_status import AgentDetails, agent_status
from tests.floor.random_floors import (
    AGENT_KINDS,
    AGENTS,
    PLAN,
    SERVICES,
    agent,
    call,
    fold_all,
    new_floor,
    ticks,
)
from tests.statistics.floors import as_json, fold_events, moment_at, only, scopes, visible

STATE_IDS = {
    "LOGOFF": 0,
    "LOGON": 1,
    "READY": 2,
    "NOT_READY": 3,
    "IN_CALL": 4,
    "WRAP_UP": 5,
    "AGENT_HOLD": 11,
    "AGENT_RESUMED": 4,
    "PREVIEW_DIAL_OFFERED": 8,
}


def day_of(*events: InboundEvent) -> Floor:
    floor = new_floor()
    fold_all(floor, list(events))
    return floor


def states(rows: list[AgentDetails]) -> list[tuple[str, str]]:
    return [(row.agent_login_id, row.state) for row in rows]


def test_the_known_data_of_the_current_call_is_shown() -> None:
    """The agent's event provides the call's data, and the call's own events provide the rest."""
    floor = day_of(
        call("call.start", 0, service=10, direction="INBOUND", callerId="650", account="a1"),
        call("call.queue", 1),
        agent("LOGON", 0, service=10, skill="French", monitored=True),
        agent("IN_CALL", 9, call={"transactionId": 1, "sessionId": "S1", "account": "a2"}),
    )
    row = as_json(only(agent_status(scopes(floor), moment_at(10)).all()))
    shown = {name: row[name] for name in ("callType", "transactionId", "sessionId", "account")}
    assert shown == {
        "callType": "INBOUND",
        "transactionId": 1,
        "sessionId": "S1",
        "account": "a2",
    }
    assert (row["phone"], row["agentSkill"], row["isAgentMonitored"]) == ("650", "French", True)
    assert (row["inboundCalls"], row["outboundCalls"]) == (1, None)


def test_later_events_complete_the_data_of_the_current_call() -> None:
    """The call's own events may arrive after the agent's, and may change the call's data."""
    ref = {"transactionId": 1, "sessionId": "S1"}
    floor = day_of(
        agent("IN_CALL", 9, service=10, call=ref),
        call("call.start", 0, service=10, direction="INBOUND", callerId="650"),
        call("call.update", 20, account="a1"),
    )
    row = only(agent_status(scopes(floor), moment_at(30)).all())
    assert (row.call_type, row.phone, row.account) == ("INBOUND", "650", "a1")
    fold_all(
        floor,
        [
            agent("WRAP_UP", 40, call=ref),
            call("call.end", 41),
            call("call.update", 30, account="a2"),
        ],
        begin=10,
    )
    floor.begin_entry(20, ticks(2000))
    assert not floor.call_table.calls
    floor.call_table.evicted.clear()
    row = only(agent_status(scopes(floor), moment_at(2000)).all())
    assert (row.call_type, row.phone, row.account) == ("INBOUND", "650", "a2")


def test_an_agent_of_many_calls_shows_the_data_of_the_last_one() -> None:
    """The row still has the account of the last call after that call has left memory."""
    floor, refs = new_floor(), [{"transactionId": n, "sessionId": f"S{n}"} for n in range(1, 8)]
    for n, ref in enumerate(refs, 1):
        call_events = [
            call("call.start", n, n, service=10, direction="INBOUND", account=f"a{n}"),
            agent("IN_CALL", n, call=ref),
            call("call.end", n, n),
        ]
        fold_all(floor, call_events, begin=10 * n)
    fold_all(floor, [agent("WRAP_UP", 9, call=refs[-1])], begin=90)
    floor.begin_entry(99, ticks(2000))
    assert not floor.call_table.calls
    assert only(agent_status(scopes(floor), moment_at(2000)).all()).account == "a7"


def test_a_free_agent_has_no_call() -> None:
    """A ready agent has no call in the row."""
    floor = day_of(
        agent("IN_CALL", 0, service=10, call={"transactionId": 1, "sessionId": "S1"}),
        agent("READY", 5),
    )
    row = only(agent_status(scopes(floor), moment_at(6)).all())
    assert (row.transaction_id, row.session_id, row.phone) == (None, None, None)


@pytest.mark.parametrize("before", ["WRAP_UP", "READY", "NOT_READY"])
@pytest.mark.parametrize("answered", [None, 1, 3])
def test_an_in_call_without_a_call_is_the_call_answered_since(
    before: str, answered: int | None
) -> None:
    """It is neither the call that the state before names nor one answered before that state."""
    ref = {"transactionId": 1, "sessionId": "S1"}
    floor = day_of(
        agent("IN_CALL", 0, service=10, call=ref),
        call("call.answer", 9, 2, agent="ANN"),
        agent(before, 10, call=ref),
        *(() if answered is None else [call("call.answer", 11, answered, agent="ANN")]),
        agent("IN_CALL", 12),
    )
    row = only(agent_status(scopes(floor), moment_at(13)).all())
    assert row.transaction_id == answered


def test_changed_after_returns_changed_and_logged_off_agents() -> None:
    """Changes in the given ms are included. An agent that has logged off is shown with state 0."""
    floor = fold_events(
        PLAN,
        [
            agent("READY", 0, service=10),
            agent("READY", 5, 9, service=10),
            agent("READY", 10, "BOB", service=10),
            agent("LOGOFF", 20, 9),
            agent("NOT_READY", 30, "BOB"),
        ],
    )
    now = moment_at(40)

    def changed(seconds: float, *services: int) -> list[tuple[str, str]]:
        return states(agent_status(scopes(floor, *services), now, moment_at(seconds).now).all())

    assert states(agent_status(scopes(floor), now).all()) == [
        ("ANN", "Ready"),
        ("BOB", "Not Ready"),
    ]
    assert changed(0) == [("ANN", "Ready"), ("BOB", "Not Ready"), ("AGENT9", "Logoff")]
    assert changed(0.001) == [("BOB", "Not Ready"), ("AGENT9", "Logoff")]
    assert changed(20) == [("BOB", "Not Ready"), ("AGENT9", "Logoff")]  # recorded in that ms
    assert changed(20.001) == [("BOB", "Not Ready")]
    assert changed(19.999, 10) == [("BOB", "Not Ready"), ("AGENT9", "Logoff")]
    assert changed(19, 20) == []
    assert changed(30) == [("BOB", "Not Ready")]
    assert changed(30.001) == []


def test_changed_after_returns_a_change_recorded_since_then() -> None:
    """An event's own time may be old, and it may have changed only the service or the reason."""
    events = [
        agent("READY", 0, service=10),
        agent("NOT_READY", 20, "BOB", service=10, reason="LUNCH"),
        agent("NOT_READY", 30, "BOB", reason="BREAK"),
        agent("READY", 40, service=20),
        agent("NOT_READY", 35),  # this event is late
    ]

    def changed(seconds: float) -> list[str]:
        floor = fold_events(PLAN, events)
        shown = agent_status(scopes(floor), moment_at(50), moment_at(seconds).now).all()
        return [one.agent_name for one in shown]

    assert changed(25) == ["ANN", "BOB"]
    assert changed(38) == ["ANN"]
    assert changed(39.5) == ["ANN"]
    assert changed(45) == []


def test_changed_after_returns_a_change_of_the_same_millisecond() -> None:
    """A response may be sent just before an event is recorded in the same millisecond."""
    floor = new_floor(PLAN)
    floor.begin_entry(2, ticks(50))
    before = agent_status(scopes(floor), moment_at(50)).all()
    floor.fold(agent("READY", 20, service=10), ticks(50), "-")
    assert before == []
    shown = agent_status(scopes(floor), moment_at(51), moment_at(50).now).all()
    assert [one.agent_name for one in shown] == ["ANN"]


def test_changed_after_returns_a_change_that_was_not_folded_yet() -> None:
    """The change was recorded before the last response but folded after it."""
    floor = new_floor(PLAN)
    floor.folded.now = 1000 * 55 + moment_at(0).now
    floor.begin_entry(2, ticks(50))
    floor.fold(agent("READY", 20, service=10), ticks(50), "-")
    shown = agent_status(scopes(floor), moment_at(60), moment_at(54).now).all()
    assert [one.agent_name for one in shown] == ["ANN"]
    assert agent_status(scopes(floor), moment_at(60), moment_at(56).now).all() == []


def test_changes_are_kept_for_the_longest_lag_of_an_entry() -> None:
    """Older changes are forgotten, because their recorded time is then enough to find them."""
    times = FoldTimes()
    times.now = 1
    times.note(7)
    times.now = 2
    times.note(8)
    times.now = 2 + MAX_LAG_MS
    times.forget()
    assert times.of_agents == {8: 2}


def test_an_agent_that_never_logged_in_is_not_returned_as_logged_off() -> None:
    """A LOGOFF of an unknown agent changes nothing that is visible."""
    floor = day_of(agent("LOGOFF", 5, service=10))
    assert agent_status(scopes(floor), moment_at(6), 0).all() == []


def test_a_quiet_agent_is_not_shown() -> None:
    """An agent is quiet after sixteen hours without an event, unless it has logged off."""
    floor = day_of(agent("READY", 0, service=10), agent("LOGON", 0, "BOB", service=10))
    fold_all(floor, [agent("LOGOFF", 1, "BOB")], begin=9)
    assert len(agent_status(scopes(floor), moment_at(16 * 3600 - 1)).all()) == 1
    assert agent_status(scopes(floor), moment_at(16 * 3600)).all() == []
    assert states(agent_status(scopes(floor), moment_at(16 * 3600), 0).all()) == [("BOB", "Logoff")]


@st.composite
def agents_in_order(draw: st.DrawFn) -> list[InboundEvent]:
    """Draw agents' events that are ordered by time for each agent."""
    events = []
    for seconds in range(draw(st.integers(0, 30))):
        data: dict[str, object] = {}
        if draw(st.booleans()):
            data["service"] = draw(SERVICES)
        kind = draw(st.sampled_from([one for one in AGENT_KINDS if one in STATE_IDS]))
        events.append(agent(kind, seconds, draw(AGENTS), **data))
    return events


@given(agents_in_order(), st.integers(0, 30))
def test_a_response_plus_the_changes_since_equals_the_next_response(
    events: list[InboundEvent], cut: int
) -> None:
    """A wallboard that applies the feed to a status response shows the next status response."""
    floor = new_floor()
    fold_all(floor, events[:cut])
    call_table = {
        row.agent_login_id: drawn(row) for row in agent_status(scopes(floor), moment_at(60)).all()
    }
    for fed in fold_all(floor, events[cut:], begin=100):
        follow(call_table, as_json(fed.event))
    fresh = {
        row.agent_login_id: drawn(row) for row in agent_status(scopes(floor), moment_at(60)).all()
    }
    assert {who: row for who, row in call_table.items() if row["state"] != 0} == fresh


def drawn(row: AgentDetails) -> dict[str, Any]:
    return {
        "state": row.state_id,
        "since": row.state_changed_after,
        "service": row.service_id,
        "reason": row.reason_code,
    }


def follow(call_table: dict[str, dict[str, Any]], event: dict[str, Any]) -> None:
    """Apply an agent event as a feed's reader would."""
    state = STATE_IDS[event["eventType"]]
    row = call_table.setdefault(event["agentLoginId"], {"state": 0, "since": 0})
    if row["state"] != state:
        row["state"], row["since"] = state, event["timestamp"]
    row["service"] = event.get("agentServiceId")
    row["reason"] = event.get("notReadyReasonCode", "") if state == 3 else ""


HIDDEN = FloorConfig(
    call_centers=(CallCenter(id=1, name="North"), CallCenter(id=2, name="South")),
    services=(
        Service(id=10, name="Sales", call_center=1),
        Service(id=20, name="Support", call_center=2),
    ),
)


def with_a_hidden_call() -> Floor:
    """Return a floor where ANN of Sales has a Support call, and BOB of Support has a Sales call."""
    taken = [
        call("call.start", 1, 1, service=20, direction="INBOUND", callerId="650", account="A"),
        call("call.queue", 1, 1),
        call("call.start", 1, 2, service=10, direction="INBOUND", callerId="651", account="B"),
        call("call.queue", 1, 2),
        agent("IN_CALL", 2, "ANN", service=10, call={"transactionId": 1, "sessionId": "S1"}),
        agent("IN_CALL", 2, "BOB", service=20, call={"transactionId": 2, "sessionId": "S2"}),
    ]
    floor = new_floor(HIDDEN)
    fold_all(floor, taken)
    return floor


def test_a_call_of_a_hidden_service_is_blank() -> None:
    """A limited user sees the agent without the hidden call, and never sees the hidden service."""
    floor = with_a_hidden_call()
    rows = agent_status(visible(floor, limits=frozenset({(1, 1)})).scopes(), moment_at(9)).all()
    ann, bob = map(as_json, rows)
    assert (ann["state"], ann["serviceId"]) == ("In Call", 10)
    blank = ("callType", "transactionId", "sessionId", "account", "phone")
    assert [ann[member] for member in blank] == [None] * 5
    assert (bob["transactionId"], bob["phone"], bob["account"]) == (2, "651", "B")
    place = ("serviceId", "serviceName", "callCenterId", "callCenterName")
    assert [bob[member] for member in place] == [None] * 4
    everything = agent_status(visible(floor).scopes(), moment_at(9)).all()
    assert [as_json(row)["phone"] for row in everything] == ["650", "651"]


def test_a_call_is_hidden_by_its_present_service() -> None:
    """If a call's service is corrected, the one that it had at the answer does not matter."""
    floor = with_a_hidden_call()
    for number, (service, phone) in enumerate([(10, "650"), (20, None)]):
        fold_all(floor, [call("call.update", 3 + number, 1, service=service)], 20 + number)
        rows = agent_status(visible(floor, limits=frozenset({(1, 1)})).scopes(), moment_at(9)).all()
        assert [row.phone for row in rows] == [phone, "651"]


def test_a_skill_on_a_hidden_service_is_blank() -> None:
    """A limited user sees an agent's skill only while the agent's current service is visible."""
    floor = new_floor(HIDDEN)
    fold_all(
        floor,
        [
            agent("READY", 0, "ANN", service=10, skill="open"),
            agent("READY", 0, "BOB", service=20, services=[10, 20], skill="secret"),
        ],
    )
    for limits, skills in ((frozenset({(1, 1)}), ["open", None]), (None, ["open", "secret"])):
        rows = agent_status(visible(floor, limits=limits).scopes(), moment_at(9)).all()
        assert [row.agent_skill for row in rows] == skills


def test_an_agent_is_found_by_the_service_whose_call_it_took() -> None:
    """An agent who took a service's call is listed there, although it is logged in elsewhere."""
    of_sales = scopes(with_a_hidden_call(), 10)
    assert [row.agent_login_id for row in agent_status(of_sales, moment_at(9)).all()] == [
        "ANN",
        "BOB",
    ]
    assert [row.inbound_calls for row in agent_statistics(of_sales, moment_at(9)).all()] == [0, 1]
    rows = agent_statistics_ex(of_sales, moment_at(9)).all()
    assert [(row.agent_login_id, row.services[0].id) for row in rows] == [("ANN", 10), ("BOB", 10)]
