"""Tests that hidden data is not counted, listed or named."""

from __future__ import annotations

import pytest

from floorcast.floor.view import NO_SERVICE, FloorView
from floorcast.model.errors import InvalidParameter
from floorcast.site.configuration import CallCenter, FloorConfig, Service
from floorcast.statistics.requests import ServiceFilter
from floorcast.statistics.visibility import Moment, Visibility
from tests.statistics.floors import agent_at, at, fold_events, visible

PARENT = fold_events(
    FloorConfig(
        time_zone="America/New_York",
        call_centers=(CallCenter(id=1, name="North"), CallCenter(id=2, name="South")),
        services=(
            Service(id=10, name="Sales", call_center=1),
            Service(id=20, name="Support", call_center=2),
            Service(id=30, name="Nowhere"),
        ),
    ),
    [agent_at("READY", "2026-11-23T12:00:00-05:00", service=10)],
)
CHILD = fold_events(
    FloorConfig(call_centers=(CallCenter(id=3, name="East"),), services=(
        Service(id=10, name="Sales", call_center=3), Service(id=40, name="Claims", call_center=3),
    )),
    [agent_at("READY", "2026-11-23T12:00:00-05:00", service=40)],
    client=2,
)  # fmt: skip


def services(visibility: Visibility, wanted: ServiceFilter = ServiceFilter()) -> list[list[int]]:  # noqa: B008 — a value
    return [list(scope.services) for scope in visibility.scopes(wanted)]


def by(*ids: int, centers: tuple[int, ...] = ()) -> ServiceFilter:
    return ServiceFilter(frozenset(ids), frozenset(centers))


def test_without_a_filter_all_visible_services_are_selected() -> None:
    """A full user sees everything, and a limited user sees only the allowed call centers."""
    assert services(visible(PARENT)) == [[NO_SERVICE, 10, 20, 30]]
    assert services(visible(PARENT, limits=frozenset({(1, 2)}))) == [[20]]
    assert services(visible(PARENT, limits=frozenset())) == [[]]


def test_a_filter_selects_services_and_call_centers() -> None:
    """The kinds of ids in a filter are combined with OR on each floor."""
    assert services(visible(PARENT), by(30, centers=(1,))) == [[10, 30]]
    assert services(visible(PARENT, CHILD), by(10, centers=(2,))) == [
        [10, 20],
        [10],
    ]
    assert services(visible(PARENT, CHILD), by(40)) == [[], [40]]


@pytest.mark.parametrize("wanted", [by(99), by(20), by(10, 30), by(centers=(2,)), by(centers=(9,))])
def test_unknown_and_hidden_ids_are_refused_alike(
    wanted: ServiceFilter,
) -> None:
    """Error 202 names the id but gives no reason, because a reason would reveal hidden ids."""
    with pytest.raises(InvalidParameter) as caught:
        services(visible(PARENT, limits=frozenset({(1, 1)})), wanted)
    number = max((*wanted.services, *wanted.call_centers))
    member = "service" if wanted.services else "callCenter"
    assert caught.value.message == f"filter.{member} names {number}: there is no such {member}"


def test_each_floor_has_its_own_day() -> None:
    """A child client in another time zone has its own calendar day."""
    moment = Moment(at("2026-11-24T01:00:00+00:00"))
    here, there = (scope.today(moment)[0] for scope in visible(PARENT, CHILD).scopes())
    assert there == here + 1


def test_call_centers_of_different_clients_with_the_same_id_differ() -> None:
    """Limits use the client and the id, because two clients may use the same call center id."""
    ten = CallCenter(id=10, name="Ten")
    plan = FloorConfig(call_centers=(ten,), services=(Service(id=1, name="One", call_center=10),))
    parent, child = (fold_events(plan, [agent_at("READY", 0, service=1)], client=n) for n in (1, 2))
    views = [FloorView(parent), FloorView(child)]
    limits = frozenset({(1, 10)})
    assert services(Visibility(views, limits)) == [[1], []]
    assert services(Visibility(views, limits), by(centers=(10,))) == [[1], []]
    limits = frozenset({(2, 10)})
    assert services(Visibility(views, limits)) == [[], [1]]
    assert services(Visibility(views, limits), by(centers=(10,))) == [[], [1]]


def test_a_screen_sees_its_key_s_services_and_call_centers() -> None:
    """A screen's key lists services by client and id, in addition to its call centers."""
    views = [FloorView(PARENT), FloorView(CHILD)]
    listed = frozenset({(1, 10), (2, 40)})
    limited = Visibility(views, frozenset({(1, 2)}), listed=listed)
    assert services(limited) == [[10, 20], [40]]
    with pytest.raises(InvalidParameter):
        services(limited, by(30))
    with pytest.raises(InvalidParameter):
        services(limited, by(centers=(1,)))
