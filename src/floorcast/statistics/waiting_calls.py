"""The calls that wait for an agent now (the reference calls them on hold)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct

from floorcast.floor.calls import Call
from floorcast.floor.directory import NO_SERVICE
from floorcast.statistics.consistent_scan import ReadRows, Slices
from floorcast.statistics.visibility import Moment, Scope

__all__ = ["WaitingCall", "WaitingCallsAnswer", "customer_phone", "waiting_calls"]


class WaitingCall(Struct, rename="camel", gc=False):
    """One call that waits; ``time_stamp`` is when it began to, in epoch seconds as text."""

    service_name: str | None
    service_id: str | None
    name: str | None
    account: str | None
    phone: str | None
    time_stamp: str
    agent_skill: str | None
    priority: str | None


class WaitingCallsAnswer(Struct, rename="camel"):
    """The calls that wait, longest first, and the ms of the answer as text."""

    calls_details: list[WaitingCall]
    time_stamp: str


def waiting_calls(scopes: Sequence[Scope], moment: Moment) -> Slices[WaitingCall]:
    """The calls that wait for the services, of all floors, longest first."""
    found: list[_Waiting] = []
    for scope in scopes:
        services = scope.floor.state.directory.services
        for service in scope.services:
            calls = scope.floor.call_table.in_progress.get(service)
            if calls:
                known = services.get(service)
                name = None if known is None else known.name
                found += _of(service, name, calls.values(), moment)
    found.sort(key=_longest_first)
    return Slices([ReadRows([waiting.row for waiting in found])])


class _Waiting(NamedTuple):
    joined: int
    transaction: int
    session: str
    row: WaitingCall


def _longest_first(waiting: _Waiting) -> tuple[int, int, str]:
    return waiting[:3]


def _of(service: int, name: str | None, calls: Iterable[Call], moment: Moment) -> list[_Waiting]:
    number = None if service == NO_SERVICE else str(service)
    found = []
    for call in calls:
        leg = call.legs[-1] if call.legs else None
        if leg is None or leg.answered is not None or leg.joined is None:
            continue
        if call.last_event + moment.quiet_call <= moment.now:
            continue
        row = WaitingCall(
            name,
            number,
            _consumer(call),
            call.account,
            customer_phone(call),
            str(leg.joined // 1000),
            number if call.skill is None else str(call.skill),
            None if call.priority is None else str(call.priority),
        )
        found.append(_Waiting(leg.joined, call.transaction, call.session, row))
    return found


def customer_phone(call: Call) -> str | None:
    """The customer's number: the caller's of an inbound call, else the one dialed."""
    if call.direction == "INBOUND":
        return call.caller_id
    if call.direction is None and call.phone_dialed is None:
        return call.caller_id
    return call.phone_dialed


def _consumer(call: Call) -> str | None:
    if call.first_name is None or call.last_name is None:
        return call.first_name or call.last_name
    return f"{call.first_name} {call.last_name}"
