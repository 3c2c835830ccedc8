"""Tests that service statistics show today's counts, rates and means, and current calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from floorcast.floor.counters import ServiceDay
from floorcast.floor.floor import Floor
from floorcast.floor.state import from_snapshot, snapshot_parts
from floorcast.model.inbound import InboundEvent
from floorcast.site.configuration import FloorConfig, Formula, Service
from floorcast.statistics.service_stats import ServiceStatistics, service_level, service_stats
from floorcast.statistics.visibility import Moment
from floorcast.statistics.waiting_calls import waiting_calls
from tests.floor.random_floors import (
    agent,
    agent_events,
    call,
    call_events,
    event,
    fold_all,
    new_floor,
)
from tests.statistics.floors import (
    agent_at,
    as_json,
    at,
    call_at,
    fold_events,
    moment_at,
    only,
    scopes,
    visible,
)

ANY_EVENTS = st.lists(call_events() | agent_events(), max_size=40)
HOUR = 3_600_000


def day_of(*events: InboundEvent) -> Floor:
    floor = new_floor()
    fold_all(floor, list(events))
    return floor


def row_of(floor: Floor, seconds: float, service: int = 10) -> ServiceStatistics:
    return only(service_stats(scopes(floor, service), moment_at(seconds)).all())


def inbound(
    number: int, queued: float, answered: float, ended: float, **who: object
) -> list[InboundEvent]:
    """Return the events of a call that is answered and ends."""
    return [
        call("call.start", queued, number, service=10, direction="INBOUND"),
        call("call.queue", queued, number),
        call("call.answer", answered, number, **who),
        call("call.end", ended, number),
    ]


def test_every_wrap_up_after_a_call_belongs_to_it() -> None:
    """Wrap-ups belong to the agent's last answered call. A repeated answer adds no wrap-up."""
    floor = day_of(
        agent("LOGON", 0, service=10),
        call("call.start", 0, 1, service=10, direction="INBOUND"),
        call("call.queue", 0, 1),
        agent("IN_CALL", 10, call={"transactionId": 1, "sessionId": "S1"}),
        call("call.end", 70, 1),
        agent("WRAP_UP", 70),
        agent("READY", 90),
        call("call.answer", 10, 1, agent="ANN"),
        agent("WRAP_UP", 100),
        agent("READY", 115),
    )
    assert row_of(floor, 600).average_wrapup_duration == 35


def test_a_wrap_up_does_not_count_for_the_next_call() -> None:
    """A wrap-up stays with its call even if its end arrives after the next call is answered."""
    late = agent("READY", 100)
    events = [
        agent("LOGON", 0, service=10),
        *inbound(1, 0, 10, 70, agent="ANN"),
        agent("WRAP_UP", 70, call={"transactionId": 1, "sessionId": "S1"}),
        call("call.start", 90, 2, service=20, direction="INBOUND"),
        call("call.queue", 90, 2),
        call("call.answer", 101, 2, agent="ANN"),
        agent("IN_CALL", 101, call={"transactionId": 2, "sessionId": "S2"}),
        call("call.end", 150, 2),
    ]
    floor = day_of(*events, late)
    assert row_of(floor, 600).average_wrapup_duration == 30
    assert row_of(floor, 600, 20).average_wrapup_duration == 0


def test_a_day_of_three_calls() -> None:
    """One call is answered in time and wrapped up, one is answered late, and one is abandoned."""
    floor = day_of(
        agent("LOGON", 0, service=10),
        *inbound(1, 0, 10, 70, agent="ANN"),
        agent("WRAP_UP", 70),
        agent("READY", 100),
        *inbound(2, 0, 41, 102),
        call("call.start", 0, 3, service=10, direction="INBOUND"),
        call("call.queue", 0, 3),
        call("call.end", 12, 3),
    )
    row = as_json(row_of(floor, 120))
    assert {name: row[name] for name in EXPECTED} == EXPECTED


EXPECTED = {
    "serviceId": "10",
    "totalOffered": 3,
    "totalHandled": 2,
    "totalAbandoned": 1,
    "abandonRate": 33.33,
    "serviceLevel": 50,
    "averageSpeedOfAnswer": 26,
    "averageDurationToAbandon": 12,
    "averageTalkDuration": 61,
    "averageWrapupDuration": 15,
    "averageHandleDuration": 76,
    "totalCallsAnsweredWithinSLA": 1,
    "totalCallsAbandonedWithinSLA": 1,
    "totalAgents": 1,
    "totalCallsInQueue": 0,
    "longestCallInQueue": 0,
    "percentComplete": 100,
    "callCenterId": "1",
    "callCenterName": "North",
}


@pytest.mark.parametrize(
    ("formula", "level"),
    [
        ("excluding_abandons_within_sla", 75),
        ("answered_of_offered", 60),
        ("with_abandons_within_sla", 80),
        ("answered_of_answered", 85.71),
    ],
)
def test_four_formulas_of_the_service_level(formula: Formula, level: float) -> None:
    """7 calls are answered (6 within 20 s), and 3 calls are abandoned (2 within 20 s)."""
    day = ServiceDay(
        handled=7, handled_within=6, abandoned=3, abandoned_within=2, abandoned_short=2
    )
    assert service_level(Service(id=1, name="-", service_level=formula), day) == level


def test_short_abandons_have_their_own_threshold() -> None:
    """``short_abandon_seconds`` affects only the default formula and changes no count."""
    day = ServiceDay(
        handled=7, handled_within=6, abandoned=3, abandoned_within=2, abandoned_short=1
    )
    assert service_level(Service(id=1, name="-"), day) == 66.67


def test_a_service_with_an_agent_or_a_call_today_is_listed() -> None:
    """A service that is only declared in the site is not listed."""
    assert service_stats(scopes(day_of()), moment_at(0)).all() == []
    floor = day_of(agent("LOGON", 0, service=10), agent("LOGOFF", 1))
    assert [row.service_id for row in service_stats(scopes(floor), moment_at(5)).all()] == ["10"]
    floor = day_of(call("call.queue", 0, service=20), call("call.end", 1))
    assert [row.service_id for row in service_stats(scopes(floor), moment_at(5)).all()] == ["20"]


def test_every_service_of_an_agent_that_has_logged_off_is_listed() -> None:
    """An agent of several services was logged in to each, although its time counts for one."""
    several = agent("LOGON", 0, services=[10, 20])
    for events in (
        [several, agent("READY", 1), agent("LOGOFF", 2)],
        [several, agent("LOGON", 2, service=10)],
        [agent("LOGON", 0, service=10), agent("READY", 1, services=[10, 20]), agent("LOGOFF", 2)],
    ):
        rows = service_stats(scopes(day_of(*events)), moment_at(5)).all()
        assert [row.service_id for row in rows] == ["10", "20"]


@pytest.mark.parametrize(("logged_off", "listed"), [("00:00:00.001", True), ("00:00:00", False)])
def test_an_agent_of_several_services_stays_after_midnight(logged_off: str, listed: bool) -> None:
    """The agent was logged in to each of its services on every day of its login."""
    events = [
        agent_at("LOGON", "2026-11-23T20:00:00-05:00", services=[10, 20]),
        agent_at("LOGOFF", f"2026-11-24T{logged_off}-05:00"),
    ]
    rows = service_stats(scopes(fold_events(PLAN, events)), Moment(at("2026-11-24T09:00-05:00")))
    assert [row.service_id for row in rows.all()] == (["10", "20"] if listed else [])


def test_a_late_event_takes_back_the_services_of_a_login() -> None:
    """The agent had left the second service before midnight, as its source tells only later."""
    before = [
        agent_at("LOGON", "2026-11-23T23:50:00-05:00", services=[10, 20]),
        agent_at("READY", "2026-11-24T00:05:00-05:00"),
    ]
    late = agent_at("READY", "2026-11-23T23:55:00-05:00", services=[10])
    now = Moment(at("2026-11-24T09:00-05:00"))
    for events, listed in ((before, ["10", "20"]), ([*before, late], ["10"])):
        off = agent_at("LOGOFF", "2026-11-24T00:06:00-05:00")
        rows = service_stats(scopes(fold_events(PLAN, [*events, off])), now).all()
        assert [row.service_id for row in rows] == listed


def test_a_service_of_yesterday_is_not_listed() -> None:
    """A service without an agent or an offered call since midnight is not listed."""
    floor = day_of(agent("LOGON", 0, service=10), agent("LOGOFF", 1))
    assert service_stats(scopes(floor), moment_at(13 * 3600)).all() == []


def test_current_calls() -> None:
    """Current calls are in the queue, with an agent, or outbound with a state."""
    floor = day_of(
        call("call.start", 0, 1, service=10, direction="INBOUND"),
        call("call.queue", 1, 1),
        call("call.start", 2, 2, service=10, direction="OUTBOUND", campaign=5, phoneDialed="650"),
        call("call.start", 3, 3, service=10, direction="MANUAL", account="a"),
        call("call.queue", 4, 3),
        call("call.start", 5, 4, service=10, direction="OUTBOUND"),
        call("call.answer", 6, 4, agent="ANN"),
    )
    row = as_json(row_of(floor, 61.9))
    assert (row["totalCallsInQueue"], row["longestCallInQueue"]) == (2, 60)
    assert (row["callsWithAgent"], row["cip"]) == (1, 3)
    shown = [(one["transactionId"], one["state"], one["agentLoginId"]) for one in row["calls"]]
    assert shown == [(2, "DIALING", None), (3, "QUEUED", None), (4, "CONNECTED", "ANN")]
    assert row["calls"][0] == {
        "transactionId": 2,
        "sessionId": "S2",
        "campaignId": 5,
        "account": None,
        "phone": "650",
        "agentLoginId": None,
        "callStartTime": moment_at(2).now,
        "state": "DIALING",
    }


def test_a_quiet_call_counts_in_no_live_figure() -> None:
    """A quiet call still counts as offered today."""
    floor = day_of(
        call("call.start", 0, 1, service=10, direction="OUTBOUND"), call("call.queue", 0, 1)
    )
    row = row_of(floor, 4 * 3600)
    assert (row.total_offered, row.total_calls_in_queue, row.cip) == (1, 0, 0)
    assert row_of(floor, 4 * 3600 - 1).total_calls_in_queue == 1


MIDNIGHT = at("2026-11-23T00:00:00-05:00")
PLAN = FloorConfig(time_zone="America/New_York", services=(Service(id=10, name="Sales"),))


def offered(floor: Floor, moment: int) -> tuple[int, int, int]:
    """Return the offered, handled and abandoned calls at a given time."""
    rows = service_stats(visible(floor).scopes(), Moment(moment)).all()
    if not rows:
        return (0, 0, 0)
    return (rows[0].total_offered, rows[0].total_handled, rows[0].total_abandoned)


def test_a_call_that_waits_at_midnight_is_offered_in_both_days() -> None:
    """A call that waits over midnight is handled on the day of the answer, with its whole wait."""
    begin = MIDNIGHT - 100_000
    waits = [call_at("start", begin, service=10, direction="INBOUND"), call_at("queue", begin)]
    floor = fold_events(PLAN, waits)
    assert offered(floor, MIDNIGHT - 1) == (1, 0, 0)
    assert offered(floor, MIDNIGHT) == (1, 0, 0)
    floor = fold_events(PLAN, [*waits, call_at("answer", MIDNIGHT + 50_000)])
    assert offered(floor, MIDNIGHT - 1) == (1, 0, 0)
    assert offered(floor, MIDNIGHT + 50_000) == (1, 1, 0)
    row = only(service_stats(visible(floor).scopes(), Moment(MIDNIGHT + 50_000)).all())
    assert row.average_speed_of_answer == 150


def test_a_call_that_was_quiet_at_midnight_is_not_offered_again() -> None:
    """A call that had been quiet for four hours at midnight is not offered again."""
    begin = MIDNIGHT - 4 * HOUR
    floor = fold_events(PLAN, [call_at("queue", begin, service=10)])
    assert offered(floor, MIDNIGHT) == (0, 0, 0)


def test_a_call_that_waited_over_midnight_stays_offered_when_quiet() -> None:
    """A quiet call leaves the queue but stays offered, whether it is in memory or not."""
    waits = call_at("queue", MIDNIGHT - HOUR, service=10)
    hours = [agent_at("READY", MIDNIGHT + hour * HOUR, service=10) for hour in (6, 12, 18)]
    floor = fold_events(PLAN, [waits, *hours])
    assert offered(floor, MIDNIGHT + 18 * HOUR) == (1, 0, 0)
    assert waiting_calls(visible(floor).scopes(), Moment(MIDNIGHT + 18 * HOUR)).all() == []
    floor = fold_events(PLAN, [waits, *hours, agent_at("READY", MIDNIGHT + 30 * HOUR)])
    assert floor.call_table.calls == {}


def test_campaigns_of_today_add_up() -> None:
    """Dialable records are added up only over running campaigns, unlike the other counts."""
    floor = day_of(
        agent("LOGON", 0, service=10),
        event("campaign.update", 0, campaign=1, service=10, state="PLAYING", loaded=60,
              remaining=20, dialable=15),
        event("campaign.update", 0, campaign=2, service=10, state="PAUSED", loaded=30,
              remaining=10, dialable=5),
        event("campaign.update", 0, campaign=3, service=10, state="PLAYING"),
        event("campaign.update", 0, campaign=4, service=20, loaded=1000),
    )  # fmt: skip
    row = row_of(floor, 1)
    assert (row.loaded, row.remaining, row.playing_dialable) == (90, 30, 15)
    assert row.percent_complete == 66.67


@given(ANY_EVENTS)
def test_offered_is_the_sum_of_the_outcomes(events: list[InboundEvent]) -> None:
    """For every service, offered = handled + abandoned + moved on + still waiting."""
    floor = day_of(*events)
    for row in service_stats(scopes(floor), moment_at(500)).all():
        moved_on = 0
        for one in floor.call_table.calls.values():
            turns = [segment for segment in one.segments if str(segment.service) == row.service_id]
            was_handled = any(segment.answered is not None for segment in turns)
            is_last = bool(turns) and turns[-1] is one.segments[-1]
            moved_on += bool(turns) and not was_handled and not is_last
        decided = row.total_handled + row.total_abandoned + moved_on
        again = sum(
            one.waiting and any(segment.answered is not None for segment in one.segments[:-1]
                                if segment.service == one.segments[-1].service)
            for one in floor.call_table.in_progress.get(int(row.service_id), {}).values()
        )  # fmt: skip
        assert row.total_offered == decided + row.total_calls_in_queue - again


@given(ANY_EVENTS, st.integers(0, 40))
def test_a_restart_at_any_position_gives_the_same_answers(
    events: list[InboundEvent], cut: int
) -> None:
    """Folding from a snapshot gives the same rows as folding all events at once."""
    whole, first = day_of(*events), day_of(*events[:cut])
    again = Floor(from_snapshot(list(snapshot_parts(first.snapshot_state()))))
    fold_all(again, events[cut:], begin=2 + len(events[:cut]))
    one, other = (service_stats(scopes(floor), moment_at(500)).all() for floor in (whole, again))
    assert one == other


def test_the_cost_of_one_service_does_not_depend_on_the_others() -> None:
    """A row reads only the data of its own service, never the calls of other services."""
    floor = day_of(agent("LOGON", 0, service=10), call("call.queue", 0, service=20))
    floor.call_table.in_progress[20] = {(1, "S1"): None}  # type: ignore[dict-item]  # it would break
    assert row_of(floor, 1).total_agents == 1
    assert replace(row_of(floor, 1), calls=[]) == row_of(floor, 1)


def test_the_site_s_targets_are_in_the_row() -> None:
    """A target is shown as it is configured, and omitted if it is not set."""
    services = (
        Service(id=1, name="With", target_service_level=80, target_seconds=30),
        Service(id=2, name="Without"),
    )
    logons = [agent_at("LOGON", MIDNIGHT, f"A{number}", service=number) for number in (1, 2)]
    floor = fold_events(FloorConfig(services=services), logons)
    moment = Moment(MIDNIGHT + 1)
    own, other = map(as_json, service_stats(visible(floor).scopes(), moment).all())
    assert (own["targetServiceLevel"], own["targetSeconds"]) == (80, 30)
    assert not {"targetServiceLevel", "targetSeconds"} & other.keys()


def test_a_clock_that_is_ahead_gives_no_negative_wait() -> None:
    """A call that joins the queue in the future has not waited yet."""
    now = at("2026-11-23T12:00:00-05:00")
    floor = fold_events(PLAN, [call_at("queue", now + 60_000, service=10)])
    row = only(service_stats(scopes(floor, 10), Moment(now)).all())
    assert (row.total_calls_in_queue, row.longest_call_in_queue) == (1, 0)
