"""A call's metadata (section 5 of the contract)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec import Struct
from msgspec.structs import replace

from floorcast.floor.call_details import hidden_members, sees_term_code, services_of_members
from floorcast.floor.calls import Call
from floorcast.floor.days import Calendar
from floorcast.floor.directory import NO_SERVICE, Directory

__all__ = ["CallMetadata", "call_metadata", "is_of_day"]


class CallMetadata(Struct):
    """A call's metadata. Times are in epoch milliseconds. ``phone`` is the customer's number.

    ``set_elsewhere`` holds the members that were set while the call was in another call center than
    now, each with that call center.
    """

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
    set_elsewhere: tuple[tuple[str, int | None], ...] = ()

    def without(self, hidden: Collection[str]) -> CallMetadata:
        """Return the metadata in which the given members are None."""
        return replace(self, **dict.fromkeys(hidden)) if hidden else self


_MEMBERS = {
    "account": ("account",),
    "caller_id": ("phone",),
    "consumer": ("first_name", "last_name"),
    "direction": ("outbound", "phone"),
    "lv_result": ("lv_result",),
    "phone_dialed": ("phone",),
    "total_due": ("total_due",),
    "zip_code": ("zip_code",),
}
"""The metadata that depends on each member of a call."""


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
        set_elsewhere=tuple(_set_elsewhere(call, directory)),
    )


def _set_elsewhere(call: Call, directory: Directory) -> Iterator[tuple[str, int | None]]:
    own = directory.call_center_of(call.current_service)
    centers = {directory.call_center_of(one) for one in services_of_members(call)}
    for center in centers - {own}:

        def is_elsewhere(service: int, center: int | None = center) -> bool:
            return directory.call_center_of(service) != center

        for member in hidden_members(call, is_elsewhere):
            for name in _MEMBERS.get(member, ()):
                yield name, center
        if call.disposition is not None and not sees_term_code(call, is_elsewhere):
            yield "term_code", center


def is_of_day(call: Call, day: int, calendar: Calendar) -> bool:
    """Return whether the call is in progress, or ended on ``day`` or later."""
    if call.ended is None:
        return True
    return calendar.day_of(call.ended) >= day
