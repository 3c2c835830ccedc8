"""A call's data besides its steps, such as the caller, the phone numbers and the account.

If several events set a member, the event with the latest time wins. If two events have the same
time, the one that was recorded last wins.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from typing import Any, TypeVar

from msgspec.structs import replace

from floorcast.floor.calls import Call
from floorcast.floor.directory import Directory
from floorcast.floor.tally import Tally
from floorcast.model.inbound_data import (
    CallDispositionData,
    CallEndData,
    CallQueueData,
    CallStartData,
    CallUpdateData,
)

__all__ = ["CallDetails", "members_set_since"]

MAX_MEMBER_UPDATES = 32  # remembered events that have set members of a call

_Data = TypeVar("_Data", CallStartData, CallEndData, CallUpdateData)

# one bit per member, as in ``Call.member_updates``; snapshots store the bits, so they never change
_DIRECTION, _CAMPAIGN, _CONSUMER = 1, 1 << 1, 1 << 2
_PHONE_DIALED, _CALLER_ID, _SKILL, _PRIORITY, _TOTAL_DUE = 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8
_CAMPAIGN_TYPE, _ACCOUNT, _ZIP_CODE, _AREA_CODE_STATE = 1 << 9, 1 << 10, 1 << 11, 1 << 12
_PHONE_POSITION, _OPERATOR_PHONE, _LV_RESULT = 1 << 13, 1 << 14, 1 << 15

_BITS = {
    "account": _ACCOUNT,
    "area_code_state": _AREA_CODE_STATE,
    "call_direction": _DIRECTION,
    "caller_id": _CALLER_ID,
    "campaign": _CAMPAIGN,
    "campaign_type": _CAMPAIGN_TYPE,
    "consumer": _CONSUMER,
    "direction": _DIRECTION,
    "lv_result": _LV_RESULT,
    "operator_phone": _OPERATOR_PHONE,
    "phone_dialed": _PHONE_DIALED,
    "phone_position": _PHONE_POSITION,
    "priority": _PRIORITY,
    "skill": _SKILL,
    "total_due": _TOTAL_DUE,
    "zip_code": _ZIP_CODE,
}


class CallDetails:
    """Sets the members of calls from their events. ``at`` is an event's own time, in ms.

    ``start``, ``update`` and ``end`` return whether a later event had already set a member.
    """

    def __init__(self, directory: Directory, tally: Tally) -> None:
        self._directory = directory
        self._tally = tally

    def start(self, call: Call, at: int, data: CallStartData) -> bool:
        """Set the call's members from a start event."""
        later = _members_set_later(call, at)
        if later:
            data = self._without_later_members(call, data, later)
        updated = _set_members(call, data) | self._set_declared_members(call, data)
        if data.direction is not None:
            self._tally.set_direction(call, data.direction)
            updated |= _DIRECTION
        if updated:
            _note_members(call, at, updated)
        return later != 0

    def update(self, call: Call, at: int, data: CallUpdateData) -> bool:
        """Set the call's members from an update event."""
        later = _members_set_later(call, at)
        if later:
            data = self._without_later_members(call, data, later)
        updated = _set_members(call, data) | self._set_declared_members(call, data)
        if updated:
            _note_members(call, at, updated)
        return later != 0

    def end(self, call: Call, at: int, data: CallEndData) -> bool:
        """Set the call's result and other members from an end event."""
        later = _members_set_later(call, at)
        if later:
            data = self._without_later_members(call, data, later)
        updated = _set_members(call, data)
        if data.campaign is not None:
            call.campaign = self._directory.campaign(data.campaign)
            call.note_campaign(call.campaign)
            updated |= _CAMPAIGN
        if data.lv_result is not None:
            call.lv_result = data.lv_result
            updated |= _LV_RESULT
        if data.call_direction is not None:
            self._tally.set_direction(call, data.call_direction)
            updated |= _DIRECTION
        if updated:
            _note_members(call, at, updated)
        return later != 0

    def queue(self, call: Call, at: int, data: CallQueueData) -> None:
        """Set the call's skill and priority from a queue event."""
        later, updated = _members_set_later(call, at), 0
        if data.skill is not None and not later & _SKILL:
            call.skill = data.skill
            updated |= _SKILL
        if data.priority is not None and not later & _PRIORITY:
            call.priority = data.priority
            updated |= _PRIORITY
        if updated:
            _note_members(call, at, updated)

    def disposition(self, call: Call, at: int, data: CallDispositionData) -> None:
        """Set the call's account from a disposition event."""
        if data.account is not None and not _members_set_later(call, at) & _ACCOUNT:
            call.account = data.account
            _note_members(call, at, _ACCOUNT)

    def _set_declared_members(self, call: Call, data: CallStartData | CallUpdateData) -> int:
        """Set the members that only start and update events have.

        Returns one bit per member set.
        """
        updated = 0
        if data.campaign is not None:
            call.campaign = self._directory.campaign(data.campaign)
            call.note_campaign(call.campaign)
            updated |= _CAMPAIGN
        if (consumer := data.consumer) is not None:
            call.first_name, call.last_name = consumer.first_name, consumer.last_name
            updated |= _CONSUMER
        if data.total_due is not None:
            call.total_due = data.total_due
            updated |= _TOTAL_DUE
        return updated

    def _without_later_members(self, call: Call, data: _Data, later: int) -> _Data:
        """Return the data without the members that a later event has set."""
        if later & _CAMPAIGN and data.campaign is not None:
            call.note_campaign(self._directory.campaign(data.campaign))
        members = data.__struct_fields__
        nothing: dict[str, Any] = {
            name: None for name, bit in _BITS.items() if later & bit and name in members
        }
        return replace(data, **nothing)


def members_set_since(call: Call, at: int) -> frozenset[str]:
    """Return the call's members that an event at or after ``at`` (ms) has set."""
    later = _members_set_later(call, at - 1)
    return frozenset(name for name, bit in _BITS.items() if later & bit)


def _set_members(call: Call, data: CallStartData | CallEndData | CallUpdateData) -> int:
    """Set the members that all three kinds of events can have. Returns one bit per member set."""
    updated = 0
    if (text := data.campaign_type) is not None:
        call.campaign_type = text
        updated |= _CAMPAIGN_TYPE
    if (number := data.phone_dialed) is not None:
        call.phone_dialed = str(number)
        updated |= _PHONE_DIALED
    if (number := data.caller_id) is not None:
        call.caller_id = str(number)
        updated |= _CALLER_ID
    if (text := data.account) is not None:
        call.account = text
        updated |= _ACCOUNT
    if (text := data.zip_code) is not None:
        call.zip_code = text
        updated |= _ZIP_CODE
    if (text := data.area_code_state) is not None:
        call.area_code_state = text
        updated |= _AREA_CODE_STATE
    if (position := data.phone_position) is not None:
        call.phone_position = position
        updated |= _PHONE_POSITION
    if (priority := data.priority) is not None:
        call.priority = priority
        updated |= _PRIORITY
    if (text := data.operator_phone) is not None:
        call.operator_phone = text
        updated |= _OPERATOR_PHONE
    return updated


def _members_set_later(call: Call, at: int) -> int:
    """Return the members that events later than ``at`` have set, one bit each."""
    updates, later = call.member_updates, 0
    if updates and at < updates[-1][0]:
        for _, members in islice(updates, bisect_right(updates, at, key=_first), None):
            later |= members
    return later


def _note_members(call: Call, at: int, members: int) -> None:
    """Record that an event set these members."""
    updates = call.member_updates
    if not updates or at >= updates[-1][0]:
        updates = (*updates, (at, members))
        call.member_updates = updates if len(updates) <= MAX_MEMBER_UPDATES else _latest(updates)
    else:
        index = bisect_right(updates, at, key=_first)
        call.member_updates = (*updates[:index], (at, members), *updates[index:])


def _latest(updates: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Return ``updates`` without the members that later events have set again."""
    kept: list[tuple[int, int]] = []
    later = 0
    for at, members in reversed(updates):
        if members & ~later:
            kept.append((at, members & ~later))
            later |= members
    return tuple(reversed(kept))


def _first(pair: tuple[int, int]) -> int:
    return pair[0]
