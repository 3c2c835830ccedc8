"""Tests that services with many calls or agents are read in steps."""

from __future__ import annotations

from floorcast.floor.floor import Floor
from floorcast.statistics.present_states import DayPart, LargeServices, states_at, waiting_at
from tests.floor.random_floors import PLAN, agent, call
from tests.statistics.floors import fold_events, moment_at, visible

NOON = moment_at(300)


def crowded_floor() -> Floor:
    """Return a floor with three calls and two agents at service 10, and one call elsewhere."""
    calls = [call("call.queue", number, number, service=10) for number in (1, 2, 3)]
    agents = [agent("READY", 5, who, service=10) for who in ("ANN", "BOB")]
    return fold_events(PLAN, [*calls, *agents, call("call.queue", 9, 4, service=20)])


def large_services(floor: Floor, large: int) -> LargeServices:
    """Return the large services of a floor in one part: today from midnight, by quarter."""
    (scope,) = visible(floor, rows=1, large=large).scopes()
    return LargeServices(scope, NOON, [DayPart(scope.today(NOON), 0, 3)])


def test_each_step_reads_a_few_calls_or_agents() -> None:
    """After the last step, the figures are those that a service's own reading finds."""
    floor = crowded_floor()
    found = large_services(floor, 2)
    assert found.numbers == {10}
    assert len(list(found)) == 5
    (scope,) = visible(floor).scopes()
    assert found.waiting[10] == waiting_at(scope.view, 10, scope.today(NOON).begin, 0) == (3, 0)
    states = states_at(scope.view, 10)
    since = sum(NOON.now - counted for _, _, counted, _ in states)
    assert sum(map(sum, found.times[10][0].values())) == since > 0


def test_services_with_few_calls_and_agents_are_not_read() -> None:
    """They take no step of their own."""
    found = large_services(crowded_floor(), 3)
    assert (found.numbers, list(found)) == (set(), [])
