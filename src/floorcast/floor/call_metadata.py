"""A call's metadata (section 5 of the contract)."""

from __future__ import annotations

from msgspec import Struct

from floorcast.floor.calls import Call
from floorcast.floor.days import Calendar
from floorcast.floor.directory import NO_SERVICE, Directory

__all__ = ["CallMetadata", "call_metadata", "is_of_day"]


class CallMetadata(Struct):
    """A call's metadata. Times are in epoch milliseconds. ``phone`` is the customer's number."""

    service: int | None
    call_center: int | None
    account: str | None
    total_due: float | None
    outbound: bool | None
    started: int | None
    ended: int | None
    zip_code: str | None
    first_name: str | None
    last_name: str | None
    lv_result: str | None
    phone: str | None
    term_code: str | None


def call_metadata(call: Call, directory: Directory) -> CallMetadata:
    """Return the metadata of a call."""
    current = call.current_service
    service = None if current == NO_SERVICE else current
    inbound = call.direction == "INBOUND"
    return CallMetadata(
        service=service,
        call_center=directory.call_center_of(service),
        account=call.account,
        total_due=call.total_due,
        outbound=None if call.direction is None else not inbound,
        started=call.started,
        ended=call.ended,
        zip_code=call.zip_code,
        first_name=call.first_name,
        last_name=call.last_name,
        lv_result=call.lv_result,
        phone=call.customer_phone,
        term_code=None if call.disposition is None else call.disposition.code,
    )


def is_of_day(call: Call, day: int, calendar: Calendar) -> bool:
    """Return whether the call is in progress, or ended on ``day`` or later."""
    if call.ended is None:
        return True
    return calendar.day_of(call.ended) >= day
