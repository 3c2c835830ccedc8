"""The end of a kind of event: members that were set at other services than the event's.

A user who may not see such a service sees the event without these members.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from floorcast.floor.call_details import service_when_set, set_at_services
from floorcast.floor.calls import Call
from floorcast.floor.directory import NO_SERVICE, Directory

__all__ = ["SET_AT", "VOICE_MEMBERS", "members_set_elsewhere"]

SET_AT = ";set at "  # then a service, its call center, and members: ";set at 10 1 account,zipCode"

VOICE_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "account": ("account",),
    "area_code_state": ("areaCodeState",),
    "caller_id": ("callerId",),
    "campaign": ("campaignId",),
    "campaign_type": ("campaignType",),
    "direction": ("callDirection",),
    "operator_phone": ("operatorPhone",),
    "phone_dialed": ("phoneDialed",),
    "phone_position": ("phonePosition",),
    "priority": ("priority",),
    "skill": ("agentSkillId",),
    "zip_code": ("zipCode",),
}
"""The members of a voice event that show each member of the call."""


def members_set_elsewhere(
    call: Call,
    service: int | None,
    directory: Directory,
    shown: Mapping[str, Collection[str]],
    *,
    ever: bool = False,
    sent: tuple[int, Collection[str]] | None = None,
) -> str:
    """Return the end of the kind of an event at ``service``, which is usually empty.

    ``shown`` has the event's members that show each member of the call. A member counts where it
    was last set or, if ``ever`` is true, wherever it was set. ``sent`` has the time (ms) of a
    late event, and the members that it sent itself.
    """
    found: defaultdict[int, set[str]] = defaultdict(set)
    if sent is not None:
        place = service_when_set(call, sent[0])
        if place != (NO_SERVICE if service is None else service):
            found[place].update(sent[1])
    for place, members in set_at_services(call, service, ever=ever):
        for member in members:
            found[place].update(shown.get(member, ()))
    if not found:
        return ""
    return "".join(
        f"{SET_AT}{_text(at)} {_text(directory.call_center_of(at))} {','.join(sorted(found[at]))}"
        for at in sorted(found)
        if found[at]
    )


def _text(number: int | None) -> str:
    return "-" if number is None or number == NO_SERVICE else str(number)
