"""Skips PBX events that would become events which the server refuses. No I/O.

The server refuses an empty or a very long name, and then every event that contains it. An agent
with one such queue would therefore be lost.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import structs

from floorcast.connectors.pbx.pbx_events import (
    BridgeAnnounced,
    ConversationEnded,
    DispositionSet,
    MemberList,
    MemberRemoved,
    MemberState,
    PbxEvent,
)
from floorcast.connectors.pbx.unreadable import Unreadable

__all__ = ["check_event"]

MAX_CALLER_CHARACTERS = 150  # as in Asterisk; the server accepts 256 with the name of the PBX
MAX_NAME_CHARACTERS = 256  # which the server accepts
MAX_TEXT_CHARACTERS = 4096  # which the server accepts
NAMES = {
    "caller": MAX_CALLER_CHARACTERS,
    "queue": MAX_NAME_CHARACTERS,
    "agent": MAX_NAME_CHARACTERS,
}
TEXTS = ("number", "dialed", "key", "code", "reason")
MAY_BE_EMPTY = {  # because the field is optional
    (ConversationEnded, "caller"),
    (DispositionSet, "agent"),
    (MemberRemoved, "queue"),
}
SHOWN_CHARACTERS = 40  # of a text that is too long


def check_event(event: PbxEvent, skip: Callable[[Unreadable], None]) -> PbxEvent | None:
    """Return the event without the parts that the server refuses, or None if nothing is left.

    Optional texts that are too long are removed. ``skip`` is called with the reason for each event,
    and for each queue member in a list, that is skipped.
    """
    try:
        match event:
            case MemberList():
                members = (check_event(one, skip) for one in event.members)
                return structs.replace(
                    event, members=tuple(one for one in members if isinstance(one, MemberState))
                )
            case BridgeAnnounced():
                _check_names(event.connected)
                return event
            case _:
                _check_names(event)
                return _without_long_texts(event)
    except Unreadable as error:
        skip(error)
        return None


def _check_names(event: PbxEvent) -> None:
    for name, most in NAMES.items():
        found = getattr(event, name, None)
        if found is None or (not found and (type(event), name) in MAY_BE_EMPTY):
            continue
        if not found:
            raise Unreadable(f"{type(event).__name__} with an empty {name}")
        if len(found) > most:
            shown = f"{found[:SHOWN_CHARACTERS]}…"
            raise Unreadable(
                f"{type(event).__name__} with a {name} of more than {most} characters: {shown!r}"
            )


def _without_long_texts(event: PbxEvent) -> PbxEvent:
    long = [name for name in TEXTS if len(getattr(event, name, "")) > MAX_TEXT_CHARACTERS]
    return structs.replace(event, **dict.fromkeys(long, "")) if long else event
