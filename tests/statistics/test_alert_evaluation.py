"""Tests that an alert rule's value equals the figure in the statistics."""

from __future__ import annotations

import pytest

from floorcast.floor.floor import Floor
from floorcast.floor.view import FloorView
from floorcast.site.configuration import AlertRule, CallCenter, FloorConfig, Service
from floorcast.statistics.alert_evaluation import EvaluatedAlert, alerts_of, evaluate_alerts
from floorcast.statistics.visibility import Moment
from tests.statistics.floors import agent_at, at, call_at, fold_events

NOON = at("2026-11-24T12:05:00-05:00")
SERVICES = (
    Service(id=10, name="Sales", call_center=5),
    Service(id=11, name="Help", call_center=5),
    Service(id=12, name="Empty"),
)


def rule(figure: str, **more: object) -> AlertRule:
    """Return a rule about a figure."""
    return AlertRule(name=figure, figure=figure, threshold=1, clear=1, **more)  # type: ignore[arg-type]  # tests give any


def floor_with(*rules: AlertRule) -> Floor:
    """Return a floor with an answered call and a waiting call, both at Sales."""
    plan = FloorConfig(
        time_zone="America/New_York",
        call_centers=(CallCenter(id=5, name="North"),),
        services=SERVICES,
        alerts=rules,
    )
    return fold_events(
        plan,
        [
            agent_at("READY", NOON - 60_000, service=10),
            call_at("start", NOON - 50_000, 1, service=10, direction="INBOUND"),
            call_at("queue", NOON - 50_000, 1),
            call_at("answer", NOON - 40_000, 1, agent="ANN"),
            call_at("queue", NOON - 30_000, 2, service=10),
        ],
    )


def values(floor: Floor, now: int = NOON) -> dict[tuple[str, int | None], tuple[object, int]]:
    """Return each alert's value and number of calls."""
    view = FloorView(floor)
    found: list[EvaluatedAlert] = []
    for some in evaluate_alerts(view, alerts_of(view), Moment(now)):
        found += some
    return {(one.rule.figure, one.service): (one.value, one.calls) for one in found}


def test_figures_equal_those_of_the_methods() -> None:
    """Values equal the statistics for every service, and are zero for a service without calls."""
    floor = floor_with(rule("longestCallInQueue"), rule("interval.offered"), rule("totalHandled"))
    found = values(floor)
    assert found["longestCallInQueue", 10] == (30, 1)
    assert found["interval.offered", 10] == (2, 1)
    assert found["totalHandled", 10] == (1, 1)
    assert {found["longestCallInQueue", one] for one in (11, 12)} == {(0, 0)}
    assert values(floor, NOON + 900_000)["interval.offered", 10] == (0, 0)


def test_a_service_without_agents_is_evaluated() -> None:
    """A rule can alert on ``totalAgents`` below one, so services without agents have values."""
    assert values(floor_with(rule("totalAgents")))["totalAgents", 12] == (0, 0)
    assert values(floor_with(rule("percentComplete")))["percentComplete", 12] == (None, 0)


def test_silence_is_the_time_since_the_client_s_newest_event() -> None:
    """Silence has no value before the client's first event."""
    floor = floor_with(rule("silence"))
    floor.state.newest_event_at = (NOON - 61_000) * 10_000
    assert values(floor) == {("silence", None): (61, 0)}
    floor.state.newest_event_at = 0
    assert values(floor) == {("silence", None): (None, 0)}


def test_outside_its_hours_a_rule_has_no_value() -> None:
    """A rule's hours are in the client's time zone: noon in New York is not noon in UTC."""
    inside = rule("totalHandled", hours="11:30-12:30", services=(10,))
    outside = rule("totalOffered", hours="16:30-17:30", services=(10,))
    found = values(floor_with(inside, outside))
    assert found == {("totalHandled", 10): (1, 1), ("totalOffered", 10): (None, 0)}


@pytest.mark.parametrize(
    ("more", "services"),
    [({}, {10, 11, 12}), ({"services": (12, 99)}, {12}), ({"call_centers": (5,)}, {10, 11})],
)
def test_a_rule_applies_to_the_services_that_it_names(
    more: dict[str, tuple[int, ...]], services: set[int]
) -> None:
    """A rule ignores ids that the floor does not know."""
    view = FloorView(floor_with(rule("totalOffered", **more)))
    assert {service for _, service in alerts_of(view)} == services
