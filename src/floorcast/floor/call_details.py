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

__all__ = ["CallDetails"]

MOST_TOLD = 32  # remembered events that have set members of a call

_Data = TypeVar("_Data", CallStartData, CallEndData, CallUpdateData)

# one bit per member, as in ``Call.told``; snapshots contain these bits, so they never change
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
        later = _told_later(call, at)
        if later:
            data = self._unless_told(data, later)
        told = _learn(call, data) | self._learn_declared(call, data)
        if data.direction is not None:
            self._tally.direct(call, data.direction)
            told |= _DIRECTION
        if told:
            _note_told(call, at, told)
        return later != 0

    def update(self, call: Call, at: int, data: CallUpdateData) -> bool:
        """Set the call's members from an update event."""
        later = _told_later(call, at)
        if later:
            data = self._unless_told(data, later)
        told = _learn(call, data) | self._learn_declared(call, data)
        if told:
            _note_told(call, at, told)
        return later != 0

    def end(self, call: Call, at: int, data: CallEndData) -> bool:
        """Set the call's result and other members from an end event."""
        later = _told_later(call, at)
        if later:
            data = self._unless_told(data, later)
        told = _learn(call, data)
        if data.campaign is not None:
            call.campaign = self._directory.campaign(data.campaign)
            told |= _CAMPAIGN
        if data.lv_result is not None:
            call.lv_result = data.lv_result
            told |= _LV_RESULT
        if data.call_direction is not None:
            self._tally.direct(call, data.call_direction)
            told |= _DIRECTION
        if told:
            _note_told(call, at, told)
        return later != 0

    def queue(self, call: Call, at: int, data: CallQueueData) -> None:
        """Set the call's skill and priority from a queue event."""
        later, told = _told_later(call, at), 0
        if data.skill is not None and not later & _SKILL:
            call.skill = data.skill
            told |= _SKILL
        if data.priority is not None and not later & _PRIORITY:
            call.priority = data.priority
            told |= _PRIORITY
        if told:
            _note_told(call, at, told)

    def disposition(self, call: Call, at: int, data: CallDispositionData) -> None:
        """Set the call's account from a disposition event."""
        if data.account is not None and not _told_later(call, at) & _ACCOUNT:
            call.account = data.account
            _note_told(call, at, _ACCOUNT)

    def _learn_declared(self, call: Call, data: CallStartData | CallUpdateData) -> int:
        """Set the members that only start and update events have.

        Returns one bit per member set.
        """
        told = 0
        if data.campaign is not None:
            call.campaign = self._directory.campaign(data.campaign)
            told |= _CAMPAIGN
        if (consumer := data.consumer) is not None:
            call.first_name, call.last_name = consumer.first_name, consumer.last_name
            told |= _CONSUMER
        if data.total_due is not None:
            call.total_due = data.total_due
            told |= _TOTAL_DUE
        return told

    def _unless_told(self, data: _Data, later: int) -> _Data:
        """Return the data without the members that a later event has set."""
        if later & _CAMPAIGN and data.campaign is not None:
            self._directory.campaign(data.campaign)  # the campaign gets its entry anyway
        members = data.__struct_fields__
        nothing: dict[str, Any] = {
            name: None for name, bit in _BITS.items() if later & bit and name in members
        }
        return replace(data, **nothing)


def _learn(call: Call, data: CallStartData | CallEndData | CallUpdateData) -> int:
    """Set the members that all three kinds of events can have. Returns one bit per member set."""
    told = 0
    if (text := data.campaign_type) is not None:
        call.campaign_type = text
        told |= _CAMPAIGN_TYPE
    if (number := data.phone_dialed) is not None:
        call.phone_dialed = str(number)
        told |= _PHONE_DIALED
    if (number := data.caller_id) is not None:
        call.caller_id = str(number)
        told |= _CALLER_ID
    if (text := data.account) is not None:
        call.account = text
        told |= _ACCOUNT
    if (text := data.zip_code) is not None:
        call.zip_code = text
        told |= _ZIP_CODE
    if (text := data.area_code_state) is not None:
        call.area_code_state = text
        told |= _AREA_CODE_STATE
    if (place := data.phone_position) is not None:
        call.phone_position = place
        told |= _PHONE_POSITION
    if (priority := data.priority) is not None:
        call.priority = priority
        told |= _PRIORITY
    if (text := data.operator_phone) is not None:
        call.operator_phone = text
        told |= _OPERATOR_PHONE
    return told


def _told_later(call: Call, at: int) -> int:
    """Return the members that events later than ``at`` have set, one bit each."""
    told, later = call.told, 0
    if told and at < told[-1][0]:
        for _, members in islice(told, bisect_right(told, at, key=_first), None):
            later |= members
    return later


def _note_told(call: Call, at: int, members: int) -> None:
    """Record that an event set these members."""
    told = call.told
    if not told or at >= told[-1][0]:
        told = (*told, (at, members))
        call.told = told if len(told) <= MOST_TOLD else _latest(told)
    else:
        index = bisect_right(told, at, key=_first)
        call.told = (*told[:index], (at, members), *told[index:])


def _latest(told: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Return ``told`` without the members that later events have set again."""
    kept: list[tuple[int, int]] = []
    later = 0
    for at, members in reversed(told):
        if members & ~later:
            kept.append((at, members & ~later))
            later |= members
    return tuple(reversed(kept))


def _first(pair: tuple[int, int]) -> int:
    return pair[0]
