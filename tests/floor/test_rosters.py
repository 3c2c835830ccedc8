"""Tests that the indexes by service give the same results as a full scan."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.floor.agents import FloorAgent
from floorcast.floor.floor import Floor
from floorcast.floor.rosters import LoggedInRoster, Roster
from floorcast.floor.state import from_snapshot, snapshot_parts
from floorcast.model.inbound import InboundEvent
from tests.floor.random_floors import (
    agent_events,
    call,
    call_events,
    event,
    fold_all,
    new_floor,
    ticks,
)

ANY_EVENTS = st.lists(agent_events() | call_events(), max_size=40)


def test_an_item_that_moves_leaves_its_former_service() -> None:
    """An item that moves is no longer listed at its former service."""
    roster: Roster[str] = Roster()
    roster.put(1, "a", (10,))
    roster.put(2, "b", (10,))
    roster.put(1, "a", (20,))
    roster.put(2, "b", ())
    roster.put(2, "b", ())
    assert (dict(roster.of(10)), dict(roster.of(20)), dict(roster.of(30))) == ({}, {1: "a"}, {})
    assert roster.numbers() == [1]


def test_a_change_tells_the_number_of_agents_before_and_after_it() -> None:
    """Only services that gain or lose an agent are told of."""
    roster, changes = LoggedInRoster(), list[tuple[int, int, int]]()
    roster.on_change = lambda *change: changes.append(change)
    ann, bob = FloorAgent(1, last_event=5), FloorAgent(2, last_event=7)
    for agent, services in ((ann, (10, 20)), (bob, (20, 30)), (ann, (20,)), (bob, ())):
        roster.put(agent.id, agent, services)
    assert sorted(changes[:2]) == [(10, 0, 1), (20, 0, 1)]
    assert sorted(changes[2:4]) == [(20, 1, 2), (30, 0, 1)]
    assert changes[4:5] == [(10, 1, 0)]
    assert sorted(changes[5:]) == [(20, 2, 1), (30, 1, 0)]


def test_a_service_that_leaves_the_floor_leaves_nothing_behind() -> None:
    """Services come and go, so what is known of a service must leave with it."""
    roster, agent = LoggedInRoster(), FloorAgent(1, last_event=5)
    unused = vars(LoggedInRoster()) | {"_hooks": ()}
    roster.put(1, agent, (10,))
    roster.put(1, agent, ())
    roster.drop_service(10)
    assert vars(roster) == unused


def assert_right(floor: Floor) -> None:
    """Check that each agent and each campaign is listed where it belongs."""
    for agent in floor.state.agents.values():
        there: Roster[FloorAgent] = floor.logged_in_agents
        elsewhere: Roster[FloorAgent] = floor.logged_off_agents
        if not agent.logged_in:
            there, elsewhere = elsewhere, there
        assert there.of(agent.service)[agent.id] is agent
        assert agent.id not in elsewhere.numbers()
    for day, services in floor.state.counters.agent_days.items():
        for service, agents in services.items():
            for number, counter in agents.items():
                assert (service, counter) in floor.ledger.days_of(day, number)
    assert sorted(floor.active_campaigns.numbers()) == sorted(floor.state.campaigns)


@given(ANY_EVENTS)
def test_indexes_are_exact_after_any_events_and_a_restart(events: list[InboundEvent]) -> None:
    """The indexes are right after any events and after a restart from a snapshot."""
    floor = new_floor()
    fold_all(floor, events)
    assert_right(floor)
    assert_right(Floor(from_snapshot(list(snapshot_parts(floor.snapshot_state())))))


@given(ANY_EVENTS, st.lists(st.integers(-50, 250)))
def test_agents_with_recent_events_are_counted_exactly(
    events: list[InboundEvent], moments: list[int]
) -> None:
    """The number of agents with a recent event is right after any earlier queries and events."""
    floor = new_floor()
    for number, one in enumerate(events, 2):
        fold_all(floor, [one], begin=number)
        for service in (10, 20):
            for seconds in moments:
                ms = ticks(seconds) // 10_000
                agents = floor.logged_in_agents.of(service).values()
                heard = sum(agent.last_event > ms for agent in agents)
                assert floor.logged_in_agents.count_active_since(service, ms) == heard


def test_only_campaigns_of_today_and_yesterday_are_active() -> None:
    """Campaigns of today and yesterday stay. A new call lists an older campaign again."""
    floor = new_floor()
    fold_all(floor, [event("campaign.update", 0, campaign=5, service=10)])
    assert list(floor.active_campaigns.of(10)) == [5]
    two_days_on = floor.state.recorded_at + 2 * 24 * 3600 * 10_000_000
    floor.begin_entry(9, two_days_on)
    assert list(floor.active_campaigns.of(10)) == []
    start = call("call.start", 48 * 3600, service=20, direction="OUTBOUND", campaign=5)
    floor.fold(start, two_days_on, "-")
    assert list(floor.active_campaigns.of(10)) == [5]


@given(ANY_EVENTS, st.integers(0, 3))
def test_the_numbers_of_places_and_counters_are_exact(
    events: list[InboundEvent], days: int
) -> None:
    """After any events, on a later day, and after a restart."""
    floor = new_floor()
    fold_all(floor, events)
    floor.begin_entry(900, ticks(days * 86_400 + 300))
    for one in (floor, Floor(from_snapshot(list(snapshot_parts(floor.snapshot_state()))))):
        for roster in (one.logged_in_agents, one.logged_off_agents):
            assert roster.places == sum(len(roster.services_of(who)) for who in roster.numbers())
        kept = one.state.counters.agent_days.values()
        assert one.ledger.agent_counters == sum(
            len(agents) for services in kept for agents in services.values()
        )
