"""What a call's events say about the call: its direction, campaign and data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from floorcast.verify.call_paths import is_step
from floorcast.verify.record_types import CallRecord

__all__ = ["known_facts"]

_START_MEMBERS = ("account", "phoneDialed", "callerId", "priority", "consumer")
_DATA_MEMBERS = {
    "start": _START_MEMBERS,
    "update": _START_MEMBERS,
    "end": ("account", "phoneDialed", "callerId", "priority"),
    "queue": ("skill", "priority"),
    "disposition": ("account",),
}


def known_facts(events: Sequence[CallRecord]) -> dict[str, Any]:
    """Return a call's data. Each member comes from the latest event that has it."""
    facts: dict[str, Any] = {}
    for event in sorted(events, key=lambda one: (one.at, one.position)):
        _apply(facts, event)
    return facts


def _apply(facts: dict[str, Any], event: CallRecord) -> None:
    """Apply an event's data to the call's data. Members that the event lacks do not change."""
    data = event.data
    for member in _DATA_MEMBERS.get(event.kind, ()):
        if data.get(member) is not None:
            facts[member] = data[member]
    if event.campaign is not None:
        facts["campaign"] = event.campaign
    if event.kind == "start":
        facts["direction"] = data["direction"]
    elif event.kind == "end" and data.get("callDirection") is not None:
        facts["direction"] = data["callDirection"]
    elif is_step(event) and event.kind == "state" and facts.get("direction") is None:
        facts["direction"] = data.get("direction")
