"""Tests of calls and agents in a floor's view."""

from __future__ import annotations

import pytest

from floorcast.floor.call_metadata import call_metadata
from floorcast.floor.view import Day, FloorView
from tests.floor.random_floors import MIDDAY, agent, call, fold_all, new_floor

NOON = int(MIDDAY.timestamp() * 1000)


@pytest.mark.parametrize(
    ("direction", "caller", "dialed", "phone"),
    [
        ("INBOUND", "650", "800", "650"),
        ("INBOUND", None, "800", None),
        ("OUTBOUND", "800", "650", "650"),
        ("OUTBOUND", "800", None, None),
        ("MANUAL", None, "650", "650"),
        (None, "650", None, "650"),
        (None, "650", "800", "800"),
        (None, None, None, None),
    ],
)
def test_the_customers_phone_follows_the_direction(
    direction: str | None, caller: str | None, dialed: str | None, phone: str | None
) -> None:
    """The customer's phone is the caller's number if the call is inbound, or else the one dialed.

    If the direction is unknown, it is the number that is known. The agent's current call and the
    call's metadata show the same number.
    """
    floor = new_floor()
    numbers = {"callerId": caller, "phoneDialed": dialed}
    told = {name: value for name, value in numbers.items() if value is not None}
    if direction is None:
        # an end event also sets the numbers; this one is later than the agent's event below
        begun = [call("call.queue", 1, 1, service=10), call("call.end", 500, 1, **told)]
    else:
        start = {"service": 10, "direction": direction}
        begun = [call("call.start", 0, 1, **start, **told), call("call.queue", 1, 1)]
    named = {"transactionId": 1, "sessionId": "S1"}
    fold_all(floor, [*begun, agent("IN_CALL", 2, service=10, call=named)])
    shown = floor.call_table.calls[1, "S1"]
    assert shown.customer_phone == phone
    assert call_metadata(shown, floor.state.directory).phone == phone
    in_hand = FloorView(floor).floor_agents[7].call
    assert in_hand is not None
    assert in_hand.phone == phone


def test_a_call_is_listed_with_the_service_that_has_it() -> None:
    """Calls in progress are listed with their services. Other services add nothing."""
    floor = new_floor()
    fold_all(floor, [call("call.queue", 1, 1, service=10), call("call.queue", 1, 2, service=20)])
    fold_all(floor, [call("call.end", 2, 2)], begin=9)
    listed = FloorView(floor).calls_in_progress([10, 20, 30])
    assert [(service, [one.transaction for one in calls]) for service, calls in listed] == [
        (10, [1])
    ]


def test_a_day_of_the_view_is_in_the_clients_time_zone() -> None:
    """A day has its number and the local midnights at its start and end, in ms."""
    day = FloorView(new_floor()).day_of(NOON)
    midnight = NOON - 12 * 3_600_000
    assert day == Day(MIDDAY.toordinal(), midnight, midnight + 24 * 3_600_000)
