"""Signs: facts about calls and agents, in the same form for all PBXs.

``at`` is in epoch seconds, by the PBX's clock. ``caller`` is a channel's id, and ``agent`` is a
member's name. Both sources of a PBX give the same sign for the same occurrence, so the resulting
event always has the same id.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from msgspec import Struct

__all__ = [
    "ABANDONED",
    "AgentStatus",
    "Bridging",
    "By",
    "Completed",
    "Confirmed",
    "Connected",
    "Dialed",
    "Dialling",
    "Disposed",
    "Entered",
    "Held",
    "HungUp",
    "Joined",
    "Left",
    "LeftBecause",
    "LeftBridge",
    "Member",
    "MemberGone",
    "Missed",
    "OfCaller",
    "OfMember",
    "Paired",
    "Paused",
    "Rang",
    "Restarted",
    "RingEnded",
    "Roster",
    "Sign",
    "Transferred",
    "sign_key",
]

By = Literal["", "caller", "agent", "transfer"]  # empty if unknown
WhyMissed = Literal["NO_ANSWER", "REFUSED", "BUSY", "CANCELLED"]
ABANDONED = "ABANDONED"  # a value of ``Left.reason``: the caller hung up


class _Sign(Struct, frozen=True, kw_only=True):
    at: float


class _OfCaller(_Sign, frozen=True, kw_only=True):
    caller: str
    queue: str


class _OfMember(_OfCaller, frozen=True, kw_only=True):
    agent: str


class OfCaller(TypedDict):
    """The members of every sign about a caller in a queue."""

    at: float
    caller: str
    queue: str


class OfMember(OfCaller):
    """The members of every sign about a caller and a queue member."""

    agent: str


class Joined(_OfCaller, frozen=True, kw_only=True):
    """A caller began to wait in a queue."""

    number: str = ""
    dialed: str = ""


class Connected(_OfMember, frozen=True, kw_only=True):
    """A member answered the caller. ``leg`` is the member's channel; ``waited`` is in seconds."""

    leg: str = ""
    waited: float = 0.0


class Bridging(_Sign, frozen=True, kw_only=True):
    """A member answered but cannot hear the caller yet. ``Confirmed`` may follow."""

    connected: Connected


class Confirmed(_Sign, frozen=True, kw_only=True):
    """The bridge that was announced for a member is now complete."""

    agent: str


class Completed(_OfMember, frozen=True, kw_only=True):
    """The conversation ended. ``caller`` may be empty (AMI's AgentComplete after a Hangup)."""

    by: By


class Left(_OfCaller, frozen=True, kw_only=True):
    """A caller left a queue. ``reason`` is empty if unknown; ``key`` is the pressed key."""

    reason: str = ""
    key: str = ""


class LeftBecause(_Sign, frozen=True, kw_only=True):
    """The reason a caller left a queue, when it arrives after the departure itself."""

    caller: str
    reason: str


class Rang(_OfMember, frozen=True, kw_only=True):
    """A member's device rings for the caller."""

    leg: str


class RingEnded(_Sign, frozen=True, kw_only=True):
    """A channel stopped ringing without an answer."""

    leg: str


class Missed(_OfMember, frozen=True, kw_only=True):
    """A member did not answer the call."""

    ring_seconds: int
    reason: WhyMissed = "NO_ANSWER"


class HungUp(_Sign, frozen=True, kw_only=True):
    """A channel ended. ``by`` is the party that hung up, if known."""

    channel: str
    by: By = ""


class Held(_Sign, frozen=True, kw_only=True):
    """A channel put the other party on hold or resumed the conversation."""

    channel: str
    on: bool


class Member(_Sign, frozen=True, kw_only=True):
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


class Roster(_Sign, frozen=True, kw_only=True):
    """All members of all queues.

    An agent who is not listed is not a member of any queue. The agents in ``left_alone`` have
    changed since the list was read and are not updated.
    """

    members: tuple[Member, ...]
    left_alone: frozenset[str] = frozenset()


class MemberGone(_Sign, frozen=True, kw_only=True):
    """A member left a queue, or all of their queues if ``queue`` is empty."""

    queue: str
    agent: str


class Paused(_Sign, frozen=True, kw_only=True):
    """A member was paused or unpaused in a queue."""

    queue: str
    agent: str
    paused: bool
    reason: str = ""


class AgentStatus(_Sign, frozen=True, kw_only=True):
    """An agent logged in or out, or began or ended a break, in all of their queues."""

    agent: str
    present: bool
    paused: bool
    reason: str = ""


class Dialed(_Sign, frozen=True, kw_only=True):
    """The number that the caller dialed, which is known before the caller joins."""

    caller: str
    number: str


class Disposed(_Sign, frozen=True, kw_only=True):
    """A call was given a term code."""

    caller: str
    code: str
    agent: str = ""


class Transferred(_Sign, frozen=True, kw_only=True):
    """An agent transferred a channel.

    ``by`` is the agent's channel, and ``passed_on`` is the channel that was bridged with it. After
    an attended transfer, ``second`` is the channel of the agent's other conversation, and
    ``target`` is the channel at the other end of that conversation. After a blind transfer, both
    are empty.
    """

    by: str
    passed_on: str
    second: str = ""
    target: str = ""


class Dialling(_Sign, frozen=True, kw_only=True):
    """A channel, or the dialplan on its behalf, calls a telephone."""

    caller: str
    leg: str
    interface: str


class Entered(_Sign, frozen=True, kw_only=True):
    """A channel entered a bridge."""

    bridge: str
    channel: str
    name: str


class LeftBridge(_Sign, frozen=True, kw_only=True):
    """A channel left a bridge."""

    bridge: str
    channel: str


class Paired(_Sign, frozen=True, kw_only=True):
    """Two channels are the halves of a Local channel."""

    one: str
    two: str


class Restarted(_Sign, frozen=True, kw_only=True):
    """The PBX restarted. Earlier calls are gone, and so are all members if ``empty``."""

    empty: bool = False


Sign = (
    Joined
    | Bridging
    | Confirmed
    | Connected
    | Completed
    | Left
    | LeftBecause
    | Rang
    | RingEnded
    | Missed
    | HungUp
    | Held
    | Member
    | Roster
    | MemberGone
    | Paused
    | AgentStatus
    | Dialed
    | Disposed
    | Transferred
    | Dialling
    | Entered
    | LeftBridge
    | Paired
    | Restarted
)


def sign_key(sign: Sign) -> tuple[object, ...] | None:
    """Return a key that is equal for the same sign from the other source.

    Returns None for a sign that only one source gives or that has no effect when repeated.
    """
    match sign:
        case Joined() | Left():
            return type(sign), sign.caller, sign.queue
        case Connected() | Missed():
            return type(sign), sign.caller, sign.queue, sign.agent
        case Completed():
            return Completed, sign.queue, sign.agent
        case Paused():
            return Paused, sign.queue, sign.agent, sign.paused, sign.reason
        case Disposed():
            return Disposed, sign.caller, sign.code
    return None
