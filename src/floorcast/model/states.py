"""The states of an agent, and the state that each event leads to.

Sources: section 3 of the contract (the agent event feed's event types) and the reference's agent
status example (``stateId`` 3 is ``Not Ready``).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, get_args

__all__ = [
    "CALL_STATES",
    "EVENT_STATE",
    "IN_CALL",
    "LOGOFF",
    "LOGON",
    "NOT_READY",
    "NOT_READY_REASONS",
    "READY",
    "STATE_NAMES",
    "WRAP_UP",
    "AgentEventType",
    "State",
]


class State(IntEnum):
    """An agent's state; the value is the API's ``stateId``."""

    LOGOFF = 0
    LOGON = 1
    READY = 2
    NOT_READY = 3
    IN_CALL = 4
    WRAP_UP = 5
    TRANSFERRING = 6
    MANUAL_DIAL = 7
    PREVIEW_DIAL = 8
    DIALING = 9
    REGISTERING = 10
    HOLD = 11
    RESERVED = 12


# for hot paths: Python 3.11 takes ten times as long to read a member from its class
LOGOFF, LOGON, READY, NOT_READY, IN_CALL, WRAP_UP = (
    State.LOGOFF,
    State.LOGON,
    State.READY,
    State.NOT_READY,
    State.IN_CALL,
    State.WRAP_UP,
)

STATE_NAMES = {
    State.LOGOFF: "Logoff",
    State.LOGON: "Logon",
    State.READY: "Ready",
    State.NOT_READY: "Not Ready",
    State.IN_CALL: "In Call",
    State.WRAP_UP: "Wrapup",
    State.TRANSFERRING: "Transferring",
    State.MANUAL_DIAL: "Manual Dial",
    State.PREVIEW_DIAL: "Preview Dial",
    State.DIALING: "Dialing",
    State.REGISTERING: "Registering",
    State.HOLD: "Hold",
    State.RESERVED: "Reserved",
}

CALL_STATES = frozenset({State.IN_CALL, State.HOLD, State.TRANSFERRING})
"""The states that count as talk time, including hold."""

AgentEventType = Literal[
    "LOGOFF",
    "LOGON",
    "READY",
    "NOT_READY",
    "IN_CALL",
    "WRAP_UP",
    "TRANSFERRING",
    "MANUAL_DIAL",
    "PREVIEW_DIAL_OFFERED",
    "PREVIEW_DIAL_ACCEPTED",
    "PREVIEW_DIAL_SKIPPED",
    "DIALING",
    "REGISTERING",
    "AGENT_HOLD",
    "AGENT_RESUMED",
    "RESERVED",
    "AGENT_TRANSFER_INITIATED_AGENT2",
    "AGENT_TRANSFER_CONNECTED_AGENT2",
    "AGENT_TRANSFER_HOLD_AGENT2",
    "AGENT_TRANSFER_RESUMED_AGENT2",
    "AGENT_TRANSFER_RECONNECTED_AGENT2",
    "AGENT_TRANSFER_CONFERENCED_AGENT2",
    "AGENT_TRANSFER_COMPLETE_AGENT2",
    "AGENT_TRANSFER_FAILED_AGENT2",
    "AGENT_TRANSFER_INITIATED_SUPERVISOR",
    "AGENT_TRANSFER_CONNECTED_SUPERVISOR",
    "AGENT_TRANSFER_HOLD_SUPERVISOR",
    "AGENT_TRANSFER_RESUMED_SUPERVISOR",
    "AGENT_TRANSFER_RECONNECTED_SUPERVISOR",
    "AGENT_TRANSFER_CONFERENCED_SUPERVISOR",
    "AGENT_TRANSFER_COMPLETE_SUPERVISOR",
    "AGENT_TRANSFER_FAILED_SUPERVISOR",
    "AGENT_TRANSFER_FAILED",
]

_SPECIAL_STATES: dict[str, State] = {
    "AGENT_HOLD": State.HOLD,
    "AGENT_RESUMED": State.IN_CALL,
    "PREVIEW_DIAL_OFFERED": State.PREVIEW_DIAL,
    "PREVIEW_DIAL_ACCEPTED": State.PREVIEW_DIAL,
}


def _state_after(event_type: str) -> State | None:
    if event_type in _SPECIAL_STATES:
        return _SPECIAL_STATES[event_type]
    if event_type.startswith("AGENT_TRANSFER_"):
        is_over = "_COMPLETE_" in event_type or "_FAILED" in event_type
        return State.IN_CALL if is_over else State.TRANSFERRING
    return State.__members__.get(event_type)


EVENT_STATE: dict[str, State | None] = {
    event_type: _state_after(event_type) for event_type in get_args(AgentEventType)
}
"""The state that an event leads to. None (PREVIEW_DIAL_SKIPPED) means the previous state."""

NOT_READY_REASONS = (
    "LUNCH",
    "TRAINING",
    "BREAK",
    "MEETING",
    "TECH_DIFFICULTIES",
    "VOICE_MAIL",
    "OTHER",
)
