"""Tests that the class of an agent's event includes the call center of the event's call."""

from __future__ import annotations

import pytest

from floorcast.site.configuration import CallCenter, FloorConfig, Service
from tests.floor.random_floors import agent, fold_all, new_floor

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
    call = {"transactionId": 1, "sessionId": "S1", "service": 20}
    later = agent("AGENT_TRANSFER_COMPLETE_AGENT2", 2, service=10, agent2="BOB", call=call)
    assert fold_all(floor, [later], 9)[-1].kind == f"call of 2;agent2 of{places}"


def test_a_service_that_the_array_lacks_is_added_to_it() -> None:
    """The agent is logged in to the service that it works for and to all services in the array."""
    floor = new_floor()
    fold_all(floor, [agent("READY", 1, "ANN", service=10, services=[20])])
    (ann,) = (one for one in floor.state.agents.values() if one.services)
    assert (ann.service, ann.services) == (10, (20, 10))
