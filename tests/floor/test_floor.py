"""Tests that the fold of a whole floor is deterministic, exact and safe for any input."""

from __future__ import annotations

import copy
import sys
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from floorcast.floor import ledger
from floorcast.floor.counters import ServiceDay
from floorcast.floor.floor import Floor
from floorcast.floor.state import decode_call, encode_call, from_snapshot, snapshot_parts
from floorcast.model.inbound import CallDisposition, InboundEvent
from floorcast.site.configuration import Agent
from tests.floor.random_floors import (
    PLAN,
    agent,
    agent_events,
    call,
    call_events,
    event,
    fold_all,
    new_floor,
    ticks,
)

ANY_EVENTS = st.lists(call_events() | agent_events(), max_size=40)
DAY = new_floor().calendar.day_of(ticks(0) // 10_000)


def service_day(floor: Floor, service: int = 10) -> ServiceDay:
    return floor.state.counters.service_days[DAY][service]


def image(floor: Floor) -> object:
    """Return the whole floor in a form that can be compared."""
    return msgspec.to_builtins(floor.snapshot_state(), enc_hook=list)


def counts(floor: Floor) -> object:
    """Return the counters that are not zero."""
    counters = msgspec.to_builtins(floor.state.counters, enc_hook=list)
    empty = msgspec.to_builtins(ServiceDay())
    return {
        (day, service): value
        for day, services in counters["service_days"].items()
        for service, value in services.items()
        if value != empty
    }


def dispositions(floor: Floor) -> object:
    """Return the agents' dispositions by service, and the right-party contacts."""
    said = {
        (day, service, agent): tuple(one.dispositions)
        for day, services in floor.state.counters.agent_days.items()
        for service, agents in services.items()
        for agent, one in agents.items()
        if any(one.dispositions)
    }
    connects = {service: calls for service, calls in floor.state.connects.items() if calls}
    return said, connects


def test_a_call_is_offered_answered_and_ended() -> None:
    """The wait lasts from the queue to the answer, and the talk from the answer to the end."""
    floor = new_floor()
    fold_all(
        floor,
        [
            call("call.start", 0, service=10, direction="INBOUND"),
            call("call.queue", 1),
            call("call.answer", 6.5, agent="ANN"),
            call("call.end", 66.5),
        ],
    )
    assert service_day(floor) == ServiceDay(
        offered=1, handled=1, handled_wait=5500, handled_within=1, talks=1, talk=60_000
    )
    (day,) = floor.state.counters.agent_days.values()
    assert day[10][7].inbound == 1
    assert floor.call_table.in_progress[10] == {}


def test_a_call_that_moves_is_offered_twice_and_abandoned_once() -> None:
    """A call that moves to another queue is neither handled nor abandoned at the first service."""
    floor = new_floor()
    fold_all(
        floor,
        [
            call("call.start", 0, service=10, direction="INBOUND"),
            call("call.queue", 1),
            call("call.queue", 11, service=20),
            call("call.end", 15),
        ],
    )
    assert service_day(floor) == ServiceDay(offered=1)
    assert service_day(floor, 20) == ServiceDay(
        offered=1, abandoned=1, abandoned_wait=4000, abandoned_within=1, abandoned_short=1
    )


@given(later=st.sampled_from(["call.start", "call.update", "call.end"]))
def test_a_late_event_is_published_with_its_own_members(later: str) -> None:
    """A late event is published with its own members. The call keeps those of the later one."""
    floor = new_floor()
    first: dict[str, Any] = {
        "account": "late",
        "callerId": 1,
        "phoneDialed": 2,
        "priority": 3,
        "campaign": "A",
    }
    last: dict[str, Any] = {
        "account": "new",
        "callerId": 9,
        "phoneDialed": 9,
        "priority": 9,
        "campaign": "B",
    }
    if later == "call.start":
        last |= {"service": 10, "direction": "INBOUND"}
    started, ended = (
        msgspec.to_builtins(fed.event)
        for fed in fold_all(
            floor,
            [
                call(later, 50, **last),
                call("call.start", 0, service=10, direction="MANUAL", zipCode="1", **first),
                call("call.end", 40, callDirection="OUTBOUND", zipCode="2", **first),
            ],
        )[-2:]
    )
    campaign = floor.state.directory.campaign("A")
    for fed, direction, zip_code in ((started, "MANUAL", "1"), (ended, "OUTBOUND", "2")):
        assert (fed["account"], fed["callerId"], fed["phoneDialed"]) == ("late", "1", "2")
        assert (fed["priority"], fed["campaignId"]) == (3, campaign)
        assert (fed["callDirection"], fed["zipCode"]) == (direction, zip_code)
    (known,) = floor.call_table.calls.values()
    assert (known.account, known.priority) == ("new", 9)


def test_a_late_event_is_published_with_its_own_service() -> None:
    """A late event is published with the service that it names, even if the call has another."""
    floor = new_floor()
    story = [
        call("call.queue", 50, service=20),
        call("call.end", 100),
        call("call.start", 0, service=10, direction="INBOUND"),
        call("call.end", 90, service=10),
        call("call.end", 80),
    ]
    fed = fold_all(floor, story)
    shown = [(one.service, one.event.service_id) for one in fed if one is not None]
    assert shown == [(20, 20), (10, 10), (10, 10), (20, 20)]


def test_the_first_of_two_answers_counts() -> None:
    """An answer without an agent that an agent's state then names counts only once."""
    floor = new_floor()
    fold_all(
        floor,
        [
            call("call.start", 0, service=10, direction="INBOUND"),
            call("call.queue", 0),
            call("call.answer", 5),
            agent("LOGON", 1, service=10),
            agent("IN_CALL", 6, call={"transactionId": 1, "sessionId": "S1"}),
            call("call.end", 30),
        ],
    )
    assert service_day(floor).handled_wait == 5000
    assert floor.state.counters.agent_days[DAY][10][7].inbound == 1


def test_an_agent_has_two_calls_until_an_in_call_names_one() -> None:
    """An agent that answers a second call is on both until an IN_CALL event names one of them."""
    floor = new_floor()
    known = floor.call_table.calls
    for taken, events in enumerate(
        (
            [
                call("call.queue", 0, 1, service=10),
                call("call.answer", 1, 1, agent="ANN"),
                agent("IN_CALL", 1, call={"transactionId": 1, "sessionId": "S1"}),
                call("call.queue", 2, 2, service=20),
                call("call.answer", 3, 2, agent="ANN"),
                agent("IN_CALL", 3, service=20),
            ],
            [agent("IN_CALL", 4, call={"transactionId": 2, "sessionId": "S2"})],
        )
    ):
        fold_all(floor, events)
        assert [one.connected for one in known.values()] == [not taken, True]


def test_a_call_termination_has_derived_members() -> None:
    """The event for a call's end has the durations and the transfer that follow from the steps."""
    floor = new_floor()
    fed = fold_all(
        floor,
        [
            call("call.start", 0, service="Sales", direction="INBOUND", callerId="650"),
            call("call.queue", 2),
            call("call.answer", 9.9, agent="BOB"),
            call("call.end", 40, lvResult="Done"),
        ],
    )
    end = msgspec.to_builtins(fed[-1].event)
    told = {name: end[name] for name in ("transferHoldDuration", "duration", "operatorTransfer")}
    assert told == {"transferHoldDuration": 7, "duration": 30, "operatorTransfer": 1}
    assert end["operatorTransferSuccessful"] == 1
    assert (end["agentLoginId"], end["agentId"], end["lvResult"]) == ("BOB", "8", "Done")
    assert end["serviceLevelThreshold"] == 20


def test_a_call_that_leaves_its_queue_moved_on_unless_it_ends_at_once() -> None:
    """A call that ends within a second of leaving its queue counts as abandoned there.

    Its wait lasts until it leaves the queue.
    """
    for ends, abandoned in ((11.9, 1), (12.1, 0)):
        floor = new_floor()
        fold_all(
            floor,
            [
                call("call.queue", 1, service=10),
                call("call.leave", 11, reason="TIMEOUT"),
                call("call.end", ends),
            ],
        )
        day = service_day(floor)
        assert (day.offered, day.abandoned, day.abandoned_wait) == (
            1,
            abandoned,
            10_000 * abandoned,
        )


def test_a_call_that_left_its_queue_is_connected() -> None:
    """A call that has left its queue is connected, for example to voice mail."""
    floor = new_floor()
    fold_all(floor, [call("call.queue", 0, service=10)])
    (one,) = floor.call_table.calls.values()
    assert one.progress == "QUEUED"
    fold_all(floor, [call("call.leave", 5, reason="TIMEOUT")])
    assert one.progress == "CONNECTED"


def test_an_update_corrects_the_call() -> None:
    """An update sets a service and other members that were missing. Numbers become text."""
    floor = new_floor()
    fold_all(
        floor,
        [
            call("call.queue", 1),
            call("call.update", 5, service=20, account="A1", callerId=650),
            agent_missed(3),
        ],
    )
    (one,) = floor.call_table.calls.values()
    assert (one.current_service, one.account, one.caller_id) == (20, "A1", "650")
    assert service_day(floor, 20).offered == 1
    assert 9 in floor.state.directory.agents


def test_an_overridden_name_still_gets_an_id() -> None:
    """Every name gets an id in order of arrival, even if a later event overrides the name."""
    floor = new_floor()
    later = call("call.start", 9, campaign="Late", service=10, direction="INBOUND")
    earlier = call("call.start", 1, campaign="Early", service=10, direction="INBOUND")
    fold_all(floor, [later, earlier])
    names = floor.state.directory.campaigns
    assert list(names.values())[-2:] == ["Late", "Early"]
    (one,) = floor.call_table.calls.values()
    assert names[one.campaign or 0] == "Late"


def agent_missed(seconds: float) -> InboundEvent:
    """Return the event for a missed offer of call 1 to agent 9."""
    return event(
        "agent.missed", seconds, agent=9, transactionId=1, sessionId="S1", reason="NO_ANSWER"
    )


def test_the_ivr_duration_is_null_without_an_answer() -> None:
    """The duration is null because existing clients take 0 to mean a connected call."""
    floor = new_floor()
    lost, answered = (
        fold_all(floor, [call("call.queue", 1, n), *answers, call("call.end", 9, n)])[-1]
        for n, answers in ((1, []), (2, [call("call.answer", 5, 2)]))
    )
    assert lost.event.rounded_ivr_duration is None
    assert answered.event.rounded_ivr_duration == 0


def test_incomplete_calls_are_published() -> None:
    """An end event without a start event is published with the members that are known."""
    floor = new_floor()
    (fed,) = fold_all(floor, [call("call.end", 5, lvResult="Lost")])
    assert fed.event.start is None
    assert fed.event.service_id is None
    assert fed.event.duration is None


@given(ANY_EVENTS)
def test_offered_calls_equal_the_sum_of_their_outcomes(
    events: list[InboundEvent],
) -> None:
    """At every service, offered = handled + abandoned + moved on + waiting."""
    floor = new_floor()
    fold_all(floor, events)
    calls = floor.call_table.calls.values()
    for service, day in floor.state.counters.service_days.get(DAY, {}).items():
        undecided = 0
        for one in calls:
            turns = [segment for segment in one.segments if segment.service == service]
            if not turns or any(segment.answered is not None for segment in turns):
                continue
            gave_up = turns[-1] is one.segments[-1] and one.ended is not None
            undecided += not gave_up
        assert day.offered == day.handled + day.abandoned + undecided


@given(st.lists(call_events(), max_size=24), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(events: list[InboundEvent], random: object) -> None:
    """Call events with different times give the same counters in any order of arrival."""
    apart: dict[object, InboundEvent] = {}
    for one in events:
        apart.setdefault((getattr(one.data, "transaction_id", None), one.time), one)
    in_order = sorted(apart.values(), key=lambda one: str(one.time))
    # a disposition without an agent counts for the answering agent that is known when it arrives
    in_order = [
        one
        for one in in_order
        # the ids of new names depend on the order in which events first mention the names
        if not (isinstance(one, CallDisposition) and one.data.agent is None)
        and getattr(one.data, "service", None) != "Elsewhere"
    ]
    shuffled = list(in_order)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types it as object
    straight, mixed = new_floor(), new_floor()
    fold_all(straight, in_order)
    fold_all(mixed, shuffled)
    assert counts(straight) == counts(mixed)
    assert dispositions(straight) == dispositions(mixed)


@given(ANY_EVENTS, st.integers(0, 40))
def test_continuing_from_a_snapshot_gives_the_same_floor(
    events: list[InboundEvent], cut: int
) -> None:
    """Folding all events gives the same floor as continuing from a snapshot at any position."""
    whole = new_floor()
    fold_all(whole, events)
    first = new_floor()
    fold_all(first, events[:cut])
    parts = list(snapshot_parts(first.snapshot_state()))
    again = Floor(from_snapshot(parts))
    fold_all(again, events[cut:], begin=2 + len(events[:cut]))
    assert image(again) == image(whole)


@given(ANY_EVENTS, st.sampled_from([1, 1, 2, 3]))
@example(  # the service of the second call becomes known late, after the wrap-up of the first one
    [
        agent("IN_CALL", 0, service=10, call={"transactionId": 1, "sessionId": "S1"}),
        call("call.end", 1, 1),
        agent("WRAP_UP", 2),
        agent("IN_CALL", 4, call={"transactionId": 2, "sessionId": "S2"}),
        call("call.queue", 3, 2, service=20),
        call("call.disposition", 5, 1, agent="ANN", termCode="RPC"),
    ],
    1,
)
@example(  # a whole wrap-up in one request
    [
        agent("IN_CALL", 0, service=10, call={"transactionId": 1, "sessionId": "S1"}),
        call("call.end", 1, 1),
        agent("WRAP_UP", 2),
        agent("READY", 3),
    ],
    2,
)
def test_evicting_and_reloading_calls_changes_no_count(
    events: list[InboundEvent], size: int
) -> None:
    """The counts do not change if every ended call is evicted immediately and reloaded later.

    An entry has up to ``size`` events.
    """
    keeps, forgets = new_floor(), new_floor()
    store: dict[object, bytes] = {}
    for number, first in enumerate(range(0, len(events), size), 2):
        entry = events[first : first + size]
        for floor in (keeps, forgets):
            floor.begin_entry(number, ticks(200 + number))
        list(forgets.call_table.evict_ended(ticks(9_999) // 10_000))
        for gone in forgets.call_table.evicted:
            store[gone.key] = encode_call(gone)
        forgets.call_table.evicted.clear()
        for key in forgets.unloaded_calls(entry):
            if key in store:
                forgets.call_table.reload(decode_call(store.pop(key)))
        for one in entry:
            for floor in (keeps, forgets):
                floor.fold(copy.copy(one), ticks(200 + number), "x")
        assert not store.keys() & forgets.call_table.calls.keys()  # no call begins a second time
    assert counts(keeps) == counts(forgets)
    assert keeps.state.connects == forgets.state.connects


def wrapping_up() -> Floor:
    """Return a floor on which ANN wraps up call 1, which has left memory."""
    floor = new_floor()
    in_call = agent("IN_CALL", 0, service=10, call={"transactionId": 1, "sessionId": "S1"})
    fold_all(floor, [in_call, call("call.end", 1), agent("WRAP_UP", 2)])
    list(floor.call_table.evict_ended(ticks(9_999) // 10_000))
    assert not floor.call_table.calls
    return floor


def test_an_event_needs_the_calls_that_it_changes_without_naming_them() -> None:
    """The end of a wrap-up changes its call, however late it is and whatever names the agent."""
    floor, needed = wrapping_up(), [(1, "S1")]
    assert floor.unloaded_calls([agent("READY", 10)]) == needed
    assert floor.unloaded_calls([agent("READY", 10, 7)]) == needed
    assert floor.unloaded_calls([agent("READY", 10, "7")]) == needed, "never named so before"
    assert floor.unloaded_calls([agent("READY", 10, "BOB")]) == []
    assert floor.unloaded_calls([agent("READY", 10, "NEW")]) == []
    floor.call_table.reload(floor.call_table.evicted.pop())
    fold_all(floor, [agent("READY", 10)], begin=10)
    list(floor.call_table.evict_ended(ticks(9_999) // 10_000))
    assert floor.unloaded_calls([agent("READY", 5)]) == needed
    assert floor.unloaded_calls([agent("READY", 11)]) == []
    assert floor.unloaded_calls([agent("WRAP_UP", 11)]) == needed


def test_an_event_of_a_new_id_needs_the_calls_of_the_former_id() -> None:
    """The former id logs off, which ends its wrap-up."""
    floor = wrapping_up()
    moved = (Agent(id=70, login="ANN"), *PLAN.agents[1:])
    floor.apply(msgspec.structs.replace(PLAN, agents=moved))
    assert floor.unloaded_calls([agent("READY", 10)]) == [(1, "S1")]
    assert floor.unloaded_calls([agent("READY", 10, "BOB")]) == []


def test_a_changed_time_zone_begins_its_day_at_once() -> None:
    """The new day begins with the change itself, so a restart after it makes no difference."""
    floor = new_floor()
    floor.begin_entry(5, ticks(0))
    before = floor.ledger.first_day
    floor.apply(msgspec.structs.replace(PLAN, time_zone="Pacific/Kiritimati"))
    assert floor.ledger.first_day == before + 1


def test_the_counters_of_an_old_day_are_freed_in_steps() -> None:
    """A day that is dropped at midnight may have 300,000 counters."""
    floor = new_floor()
    numbers = range(3 * ledger._FREED_PER_STEP)  # noqa: SLF001 - the size of a step
    fold_all(floor, [agent("READY", 1, f"A{one}", service=10) for one in numbers])
    today = floor.calendar.day_of(ticks(0) // 10_000)
    counters = list(floor.ledger.agents_on(today, 10).values())
    left = []
    for _ in floor.begin_entry_in_steps(10_000, ticks(72 * 3600)):
        assert not floor.ledger.agents_on(today, 10)
        left.append(sum(sys.getrefcount(one) > 3 for one in counters))
    steps = [before - after for before, after in pairwise(left)]
    assert left[-1] == 0
    assert max(steps) <= ledger._FREED_PER_STEP  # noqa: SLF001 - as above
