"""PBX events: changes to calls and agents, in the same form for all PBXs.

``at`` is in epoch seconds, by the PBX's clock. ``caller`` is a channel's id, and ``agent`` is a
member's name. Both sources of a PBX report the same change as the same PBX event, so the resulting
CloudEvent always has the same id.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from msgspec import Struct

__all__ = [
    "ABANDONED",
    "AgentConnected",
    "AgentStatus",
    "BridgeAnnounced",
    "BridgeConfirmed",
    "BridgeEntered",
    "BridgeLeft",
    "CallMissed",
    "CallerFields",
    "ChannelHungUp",
    "ChannelTransferred",
    "ConversationEnded",
    "DialStarted",
    "DialedNumber",
    "DispositionSet",
    "EndedBy",
    "HoldChanged",
    "LeaveReason",
    "LocalChannelPaired",
    "MemberFields",
    "MemberList",
    "MemberRemoved",
    "MemberState",
    "PauseChanged",
    "PbxEvent",
    "PbxRestarted",
    "QueueJoined",
    "QueueLeft",
    "RingEnded",
    "Ringing",
    "dedup_key",
]

EndedBy = Literal["", "caller", "agent", "transfer"]  # empty if unknown
MissedReason = Literal["NO_ANSWER", "REFUSED", "BUSY", "CANCELLED"]
ABANDONED = "ABANDONED"  # a value of ``QueueLeft.reason``: the caller hung up


class _PbxEvent(Struct, frozen=True, kw_only=True):
    at: float


class _CallerEvent(_PbxEvent, frozen=True, kw_only=True):
    caller: str
    queue: str


class _MemberEvent(_CallerEvent, frozen=True, kw_only=True):
    agent: str


class CallerFields(TypedDict):
    """The fields of every PBX event about a caller in a queue."""

    at: float
    caller: str
    queue: str


class MemberFields(CallerFields):
    """The fields of every PBX event about a caller and a queue member."""

    agent: str


class QueueJoined(_CallerEvent, frozen=True, kw_only=True):
    """A caller began to wait in a queue."""

    number: str = ""
    dialed: str = ""


class AgentConnected(_MemberEvent, frozen=True, kw_only=True):
    """A member answered the caller. ``leg`` is the member's channel; ``waited`` is in seconds."""

    leg: str = ""
    waited: float = 0.0


class BridgeAnnounced(_PbxEvent, frozen=True, kw_only=True):
    """A member answered but cannot hear the caller yet. ``BridgeConfirmed`` may follow."""

    connected: AgentConnected


class BridgeConfirmed(_PbxEvent, frozen=True, kw_only=True):
    """The bridge that was announced for a member is now complete."""

    agent: str


class ConversationEnded(_MemberEvent, frozen=True, kw_only=True):
    """The conversation ended. ``caller`` may be empty (AMI's AgentComplete after a Hangup)."""

    by: EndedBy


class QueueLeft(_CallerEvent, frozen=True, kw_only=True):
    """A caller left a queue. ``reason`` is empty if unknown; ``key`` is the pressed key."""

    reason: str = ""
    key: str = ""


class LeaveReason(_PbxEvent, frozen=True, kw_only=True):
    """The reason why a caller left a queue, if it arrives after the ``QueueLeft``."""

    caller: str
    reason: str


class Ringing(_MemberEvent, frozen=True, kw_only=True):
    """A member's device rings for the caller."""

    leg: str


class RingEnded(_PbxEvent, frozen=True, kw_only=True):
    """A channel stopped ringing without an answer."""

    leg: str


class CallMissed(_MemberEvent, frozen=True, kw_only=True):
    """A member did not answer the call."""

    ring_seconds: int
    reason: MissedReason = "NO_ANSWER"


class ChannelHungUp(_PbxEvent, frozen=True, kw_only=True):
    """A channel ended. ``by`` is the party that hung up, if known."""

    channel: str
    by: EndedBy = ""


class HoldChanged(_PbxEvent, frozen=True, kw_only=True):
    """A channel put the other party on hold or resumed the conversation."""

    channel: str
    on: bool


class MemberState(_PbxEvent, frozen=True, kw_only=True):
    """The current state of a queue member.

    ``status`` is the device's state, or None if unknown, and ``interface`` is empty if unknown.
    ``since`` is the start of the state, and ``logged_in`` the start of the membership, if they are
    known to be before ``at``. ``wrap_up`` is in seconds.
    """

    queue: str
    agent: str
    interface: str = ""
    dynamic: bool = True
    status: int | None = None
    paused: bool = False
    reason: str = ""
    penalty: int = 0
    since: float | None = None
    logged_in: float | None = None
    wrap_up: float = 0.0


class MemberList(_PbxEvent, frozen=True, kw_only=True):
    """All members of all queues.

    An agent who is not listed is not a member of any queue. The agents in ``excluded`` have
    changed since the list was read and are not updated.
    """

    members: tuple[MemberState, ...]
    excluded: frozenset[str] = frozenset()


class MemberRemoved(_PbxEvent, frozen=True, kw_only=True):
    """A member left a queue, or all queues if ``queue`` is empty."""

    queue: str
    agent: str


class PauseChanged(_PbxEvent, frozen=True, kw_only=True):
    """A member was paused or unpaused in a queue."""

    queue: str
    agent: str
    paused: bool
    reason: str = ""


class AgentStatus(_PbxEvent, frozen=True, kw_only=True):
    """An agent logged in or out, or began or ended a break, in all of the agent's queues."""

    agent: str
    present: bool
    paused: bool
    reason: str = ""


class DialedNumber(_PbxEvent, frozen=True, kw_only=True):
    """The number that the caller dialed, which is known before the caller joins."""

    caller: str
    number: str


class DispositionSet(_PbxEvent, frozen=True, kw_only=True):
    """A call was given a term code."""

    caller: str
    code: str
    agent: str = ""


class ChannelTransferred(_PbxEvent, frozen=True, kw_only=True):
    """An agent transferred a channel.

    ``transferer`` is the agent's channel, and ``transferee`` is the channel that was bridged with
    it. After an attended transfer, ``second_transferer`` is the channel of the agent's other
    conversation, and ``target`` is the channel at the other end of that conversation. After a blind
    transfer, both are empty.
    """

    transferer: str
    transferee: str
    second_transferer: str = ""
    target: str = ""


class DialStarted(_PbxEvent, frozen=True, kw_only=True):
    """A channel, or the dialplan on its behalf, calls a telephone."""

    caller: str
    leg: str
    interface: str


class BridgeEntered(_PbxEvent, frozen=True, kw_only=True):
    """A channel entered a bridge."""

    bridge: str
    channel: str
    name: str


class BridgeLeft(_PbxEvent, frozen=True, kw_only=True):
    """A channel left a bridge."""

    bridge: str
    channel: str


class LocalChannelPaired(_PbxEvent, frozen=True, kw_only=True):
    """Two channels are the halves of a Local channel."""

    one: str
    two: str


class PbxRestarted(_PbxEvent, frozen=True, kw_only=True):
    """The PBX restarted. Earlier calls are gone, and so are all members if ``empty``."""

    empty: bool = False


class PbxClockSet(_PbxEvent, frozen=True, kw_only=True):
    """The PBX's clock was far from the right time and was set to it.

    Times that are kept move by ``seconds``, so that they keep their distance from later ones.
    """

    seconds: float


PbxEvent = (
    QueueJoined
    | BridgeAnnounced
    | BridgeConfirmed
    | AgentConnected
    | ConversationEnded
    | QueueLeft
    | LeaveReason
    | Ringing
    | RingEnded
    | CallMissed
    | ChannelHungUp
    | HoldChanged
    | MemberState
    | MemberList
    | MemberRemoved
    | PauseChanged
    | AgentStatus
    | DialedNumber
    | DispositionSet
    | ChannelTransferred
    | DialStarted
    | BridgeEntered
    | BridgeLeft
    | LocalChannelPaired
    | PbxRestarted
    | PbxClockSet
)


def dedup_key(event: PbxEvent) -> tuple[object, ...] | None:
    """Return a key that is the same for the same PBX event from the other source.

    Returns None for a PBX event that only one source reports or that has no effect when repeated.
    """
    match event:
        case QueueJoined() | QueueLeft():
            return type(event), event.caller, event.queue
        case AgentConnected() | CallMissed():
            return type(event), event.caller, event.queue, event.agent
        case ConversationEnded():
            return ConversationEnded, event.queue, event.agent
        case PauseChanged():
            return PauseChanged, event.queue, event.agent, event.paused, event.reason
        case DispositionSet():
            return DispositionSet, event.caller, event.code
    return None
