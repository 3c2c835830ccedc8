"""Tests that the class of an agent's event includes the call center of the event's call."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from floorcast.floor.agent_calls import NAMED_CALLS
from floorcast.floor.floor import Floor
from floorcast.floor.state import from_snapshot, snapshot_parts
from floorcast.model.outbound import AgentEvent
from floorcast.model.states import State
from floorcast.site.configuration import Agent, CallCenter, FloorConfig, Service
from tests.floor.random_floors import (
    PLAN,
    agent,
    agent_events,
    call,
    call_events,
    fold_all,
    missed_offers,
    new_floor,
    ticks,
)
from tests.search import tries

TWO_CENTERS = FloorConfig(
    call_centers=(CallCenter(id=1, name="North"), CallCenter(id=2, name="South")),
    services=(
        Service(id=10, name="Sales", call_center=1),
        Service(id=11, name="More sales", call_center=1),
        Service(id=20, name="Support", call_center=2),
        Service(id=30, name="Nowhere"),
    ),
)


@pytest.mark.parametrize(
    ("of_call", "kind"), [(10, ""), (11, ""), (None, ""), (20, "call of 2"), (30, "call of ")]
)
def test_the_kind_names_the_other_call_center_of_the_call(of_call: int | None, kind: str) -> None:
    """The kind names the call's call center if it is not the agent's call center."""
    floor = new_floor(TWO_CENTERS)
    ref = {"transactionId": 1, "sessionId": "S1"} | (
        {} if of_call is None else {"service": of_call}
    )
    (fed,) = fold_all(floor, [agent("IN_CALL", 1, service=10, call=ref)])
    assert (fed.feed, fed.kind, fed.service, fed.call_center) == ("agent", kind, 10, 1)


@pytest.mark.parametrize(
    ("services", "places"),
    [([20, 30], " s20 s30 c2"), ([10, 11], " s10 s11 c1"), ([30], " s30"), (None, "")],
)
def test_the_kind_names_the_places_of_the_other_agent(
    services: list[int] | None, places: str
) -> None:
    """The kind ends with the services and call centers of the other agent of a transfer."""
    floor = new_floor(TWO_CENTERS)
    known = [] if services is None else [agent("LOGON", 0, "BOB", services=services)]
    transfer = agent("AGENT_TRANSFER_INITIATED_AGENT2", 1, service=10, agent2="BOB")
    fed = fold_all(floor, [*known, transfer])[-1]
    assert (fed.kind, fed.service) == (f";agent2 of{places}", 10)
    ref = {"transactionId": 1, "sessionId": "S1", "service": 20}
    later = agent("AGENT_TRANSFER_COMPLETE_AGENT2", 2, service=10, agent2="BOB", call=ref)
    assert fold_all(floor, [later], 9)[-1].kind == f"call of 2;agent2 of{places}"


def test_a_service_that_the_array_lacks_is_added_to_it() -> None:
    """The agent is logged in to the service that it works for and to all services in the array."""
    floor = new_floor()
    fold_all(floor, [agent("READY", 1, "ANN", service=10, services=[20])])
    (ann,) = (one for one in floor.state.agents.values() if one.services)
    assert (ann.service, ann.services) == (10, (20, 10))


SITES = [
    PLAN,
    replace(PLAN, agents=(Agent(id=70, login="ANN"), Agent(id=8, login="BOB"))),
    replace(PLAN, agents=(Agent(id=8, login="BOB"),)),
    replace(PLAN, agents=(Agent(id=7, login="BOB"), Agent(id=8, login="ANN"))),
    replace(PLAN, agents=(Agent(id=7, login="ZOE"), Agent(id=71, login="ANN", team=5))),
]


def logged_in(floor: Floor) -> list[int]:
    """Return the ids of the agents that are logged in."""
    return [agent.id for agent in floor.state.agents.values() if agent.logged_in]


def test_an_agent_with_a_new_id_is_logged_in_once() -> None:
    """The former id keeps its call until the first event of the new one, and then logs off."""
    floor = new_floor()
    in_call = agent("IN_CALL", 0, service=10, call={"transactionId": 1, "sessionId": "S1"})
    fold_all(floor, [call("call.start", 0, service=10, direction="INBOUND"), in_call])
    floor.apply(SITES[1])
    assert logged_in(floor) == [7]
    fold_all(floor, [agent("WRAP_UP", 60, service=10), agent("READY", 70)], begin=10)
    assert logged_in(floor) == [70]
    assert floor.logged_in_agents.of(10).keys() == {70}
    days = floor.ledger.agents_on(floor.calendar.day_of(ticks(0) // 10_000), 10)
    assert days[7].time[State.IN_CALL] == days[70].time[State.WRAP_UP] * 6 == 60_000


def test_an_agent_with_a_new_id_keeps_its_services() -> None:
    """The new id is logged in to the services of the former id until an event names others."""
    floor = new_floor()
    fold_all(floor, [agent("READY", 0, services=[20, 10], service=10, team="Red")])
    floor.apply(SITES[1])
    fold_all(floor, [agent("NOT_READY", 60)], begin=10)
    moved = floor.state.agents[70]
    assert (moved.services, moved.service, moved.team) == (
        (20, 10), 10, floor.state.agents[7].team,
    )  # fmt: skip
    assert floor.logged_in_agents.of(20).keys() == {70}
    fold_all(floor, [agent("READY", 70, services=[30])], begin=20)
    assert moved.logged_in_to == (30,)
    floor.apply(SITES[4])
    fold_all(floor, [agent("READY", 80)], begin=30)
    assert floor.state.directory.agents[71].team == 5  # the site's team
    assert floor.state.agents[71].logged_in_to == (30,)


def test_a_service_that_the_new_id_names_first_stays() -> None:
    """A late event that names the new id's service has the same effect as if it came in time."""
    floors = []
    for order in ([0, 1], [1, 0]):
        floor = new_floor()
        fold_all(floor, [agent("READY", 0, service=10)])
        floor.apply(SITES[1])
        events = [agent("LOGON", 60, service=20), agent("READY", 70)]
        fold_all(floor, [events[one] for one in order], begin=100)
        floors.append(floor)
    assert [floor.state.agents[70].service for floor in floors] == [20, 20]


def test_the_former_id_of_an_agent_logs_off_in_the_feed() -> None:
    """The entry's log-offs have the former id, its service and its next ``seqNum``, once."""
    floor = new_floor()
    fold_all(floor, [agent("READY", 0, service=10)])
    floor.apply(SITES[1])
    fold_all(floor, [agent("READY", 60)], begin=10)
    (one,) = floor.log_offs
    assert isinstance(one.event, AgentEvent)
    assert (one.feed, one.service, one.event.event_type) == ("agent", 10, "LOGOFF")
    assert (one.event.agent_id, one.event.agent_service_id, one.event.seq_num) == (7, 10, 2)
    fold_all(floor, [agent("READY", 70)], begin=20)
    assert not floor.log_offs


@settings(max_examples=tries(100), deadline=None)
@given(
    st.lists(
        st.one_of(call_events(), agent_events(), missed_offers(), st.sampled_from(SITES)),
        max_size=30,
    ),
    st.integers(0, 30),
)
def test_no_one_is_logged_in_twice_after_changes_of_ids(steps: list[Any], restart: int) -> None:
    """No count becomes negative, and a restart makes no difference."""
    floors = [new_floor()]
    for number, step in enumerate(steps, 2):
        if number - 2 == restart:
            parts = [bytes(part) for part in snapshot_parts(floors[0].snapshot_state())]
            floors.append(Floor(from_snapshot(parts)))
        for floor in floors:
            floor.begin_entry(number, ticks(200 + number))
            if isinstance(step, FloorConfig):
                floor.apply(step)
            else:
                floor.note_source_events([step])
                floor.fold(step, ticks(200 + number), "x")
    floor, restarted = floors[0], floors[-1]
    directory = floor.state.directory
    logins = Counter(directory.agents[one].login for one in logged_in(floor))
    waiting = directory.former_agents.keys()
    assert {login for login, count in logins.items() if count > 1} <= waiting
    for services in floor.state.counters.agent_days.values():
        for day in (day for agents in services.values() for day in agents.values()):
            assert min(day.inbound, day.outbound, *day.dispositions, *day.time, *day.visits) >= 0
    states = [from_snapshot(list(snapshot_parts(one.snapshot_state()))) for one in floors]
    assert states[0] == states[-1]
    assert logged_in(restarted) == logged_in(floor)


def test_the_calls_that_an_agent_has_named_do_not_pile_up() -> None:
    """Only an agent's last calls can be its current call, so no others are kept in memory."""
    floor = new_floor()
    calls = [{"transactionId": number, "sessionId": "S"} for number in range(20)]
    fold_all(floor, [agent("IN_CALL", 1, service=10, call=call) for call in calls])
    named = floor.named_calls._agents_by_call  # noqa: SLF001 - an index, which must not grow
    assert len(named) == NAMED_CALLS


def test_a_call_that_is_named_again_is_not_forgotten() -> None:
    """The agent's current call keeps its data after it has left memory."""
    floor = new_floor()
    floor.begin_entry(2, ticks(200))
    named = [{"transactionId": number, "sessionId": f"S{number}"} for number in range(1, 6)]
    events = [call("call.start", 0, service=10, direction="INBOUND", account="12")]
    events += [agent("IN_CALL", n, service=10, call=named[n]) for n in (0, 1, 2, 3)]
    events += [agent("IN_CALL", 5, service=10, call=named[0])]
    events += [call("call.update", 5, account="34"), call("call.end", 6)]
    events += [call("call.answer", -3000, 5, agent="ANN")]
    fold_all(floor, events)
    floor.begin_entry(100, ticks(3000))
    assert not floor.call_table.calls.get((1, "S1"))
    (ann,) = (one for one in floor.state.agents.values() if one.call is not None)
    assert ann.call is not None
    assert ann.call.account == "34"


def test_a_change_of_the_site_reads_no_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index of the calls that agents have named does not depend on the site."""
    floor = new_floor()
    named = {"transactionId": 1, "sessionId": "S1"}
    fold_all(floor, [call("call.queue", 0, service=10), agent("IN_CALL", 1, call=named)])
    monkeypatch.setattr(floor.state, "agents", None)
    floor.apply(SITES[1])
