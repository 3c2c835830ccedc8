"""Signs: facts about calls and agents of any PBX, in one vocabulary.

``at`` is seconds of the epoch by the PBX's clock. ``caller`` is the id of a channel, ``agent`` a
member's name. Every channel gives the same sign for an occurrence, so its event always has the same
id.
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

By = Literal["", "caller", "agent", "transfer"]  # empty when it is not told
WhyMissed = Literal["NO_ANSWER", "REFUSED", "BUSY", "CANCELLED"]
ABANDONED = "ABANDONED"  # a reason of ``Left``: the caller hung up


class _Sign(Struct, frozen=True, kw_only=True):
    at: float


class _OfCaller(_Sign, frozen=True, kw_only=True):
    caller: str
    queue: str


class _OfMember(_OfCaller, frozen=True, kw_only=True):
    agent: str


class OfCaller(TypedDict):
    """The members of every sign of a caller in a queue."""

    at: float
    caller: str
    queue: str


class OfMember(OfCaller):
    """The members of every sign of a caller and a queue member."""

    agent: str


class Joined(_OfCaller, frozen=True, kw_only=True):
    """A caller began to wait in a queue."""

    number: str = ""
    dialed: str = ""


class Connected(_OfMember, frozen=True, kw_only=True):
    """A member took the caller; ``leg`` is the member's channel, ``waited`` is in seconds."""

    leg: str = ""
    waited: float = 0.0


class Bridging(_Sign, frozen=True, kw_only=True):
    """A member answered, but is not in touch with the caller yet; ``Confirmed`` may follow."""

    connected: Connected


class Confirmed(_Sign, frozen=True, kw_only=True):
    """A member who was being bridged is in touch with the caller since then."""

    agent: str


class Completed(_OfMember, frozen=True, kw_only=True):
    """The conversation ended; ``caller`` may be empty (AMI's AgentComplete after a Hangup)."""

    by: By


class Left(_OfCaller, frozen=True, kw_only=True):
    """A caller left a queue; ``reason`` is empty if unknown, ``key`` is the pressed key."""

    reason: str = ""
    key: str = ""


class LeftBecause(_Sign, frozen=True, kw_only=True):
    """Why a caller left a queue, learned a moment after they did."""

    caller: str
    reason: str


class Rang(_OfMember, frozen=True, kw_only=True):
    """A member's device rings for the caller."""

    leg: str


class RingEnded(_Sign, frozen=True, kw_only=True):
    """A channel that rang no longer does, and was not answered."""

    leg: str


class Missed(_OfMember, frozen=True, kw_only=True):
    """A member did not take the call."""

    ring_seconds: int
    reason: WhyMissed = "NO_ANSWER"


class HungUp(_Sign, frozen=True, kw_only=True):
    """A channel has ended; ``by`` is the party that hung up, if known."""

    channel: str
    by: By = ""


class Held(_Sign, frozen=True, kw_only=True):
    """A channel put the other party on hold, or took it back."""

    channel: str
    on: bool


class Member(_Sign, frozen=True, kw_only=True):
    """The current state of a queue member.

    ``status`` (of the device) is None and ``interface`` empty if unknown. ``since`` is the start of
    this state, and ``logged_in`` that of the membership, if they are known to be before ``at``.
    ``wrap_up`` is in seconds.
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
    """All members of all queues; an agent who is not among them is a member of none.

    The agents in ``left_alone`` have changed since it was drawn up, and stay as they are.
    """

    members: tuple[Member, ...]
    left_alone: frozenset[str] = frozenset()


class MemberGone(_Sign, frozen=True, kw_only=True):
    """A member left a queue; all of its queues, if ``queue`` is empty."""

    queue: str
    agent: str


class Paused(_Sign, frozen=True, kw_only=True):
    """A member was paused in a queue, or is no longer."""

    queue: str
    agent: str
    paused: bool
    reason: str = ""


class AgentStatus(_Sign, frozen=True, kw_only=True):
    """An agent logged in or out, took a break or came back, in all of their queues."""

    agent: str
    present: bool
    paused: bool
    reason: str = ""


class Dialed(_Sign, frozen=True, kw_only=True):
    """The number that the caller dialed, known before the caller joins."""

    caller: str
    number: str


class Disposed(_Sign, frozen=True, kw_only=True):
    """A call was given a term code."""

    caller: str
    code: str
    agent: str = ""


class Transferred(_Sign, frozen=True, kw_only=True):
    """An agent passed a channel on.

    ``by`` is the agent's channel, ``passed_on`` the one that was in a bridge with it. After an
    attended transfer, ``second`` is the channel of the agent's other conversation, and ``target``
    who is at its other end; both are empty after a blind one.
    """

    by: str
    passed_on: str
    second: str = ""
    target: str = ""


class Dialling(_Sign, frozen=True, kw_only=True):
    """A channel, or the dialplan for it, calls a telephone."""

    caller: str
    leg: str
    interface: str


class Entered(_Sign, frozen=True, kw_only=True):
    """A channel came into a bridge."""

    bridge: str
    channel: str
    name: str


class LeftBridge(_Sign, frozen=True, kw_only=True):
    """A channel went out of a bridge."""

    bridge: str
    channel: str


class Paired(_Sign, frozen=True, kw_only=True):
    """Two channels are the halves of a Local channel."""

    one: str
    two: str


class Restarted(_Sign, frozen=True, kw_only=True):
    """The PBX has restarted: earlier calls are gone, and all members if ``empty``."""

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
    """A key that the same sign from the other channel shares.

    None for a sign that only one channel gives, or that has no effect when repeated.
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
